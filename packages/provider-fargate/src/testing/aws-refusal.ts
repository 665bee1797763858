// What a fake service refuses with: the service's own name of the error, its message, its status.
import { VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";

/** `code` is what SDKs give as the error's name, "ClientException". */
export function refusal(code: string, message: string, httpStatus: number = 400): VirtualKubeletError {
  return new VirtualKubeletError("Invalid", message, { reason: code, httpStatus });
}
