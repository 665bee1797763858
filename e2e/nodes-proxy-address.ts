// The address of the node in the namespace of nodes-proxy.test.ts: private, so that the API server lets itself be sent there.
export const nodeAddress = "10.99.0.1";
