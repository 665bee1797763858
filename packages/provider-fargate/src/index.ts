// A virtual kubelet's provider over AWS Fargate.
export {};
