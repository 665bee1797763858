// A virtual kubelet's provider over HashiCorp Nomad.
export {};
