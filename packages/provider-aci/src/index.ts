// A virtual kubelet's provider over Azure Container Instances.
export {};
