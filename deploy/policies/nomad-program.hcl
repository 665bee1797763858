# What the program may in Nomad, for a token of its own: nomad acl policy apply virtual-kubelet nomad-program.hcl
# The namespace is that of the configuration.
namespace "kubernetes" {
  capabilities = [
    "list-jobs",
    "read-job",
    "submit-job",
    # Probes that fail, and stops before the grace is over.
    "alloc-lifecycle",
    "read-logs",
    # Where the runs of a container begin in its log.
    "read-fs",
    # With the drivers raw_exec and java alloc-node-exec too: their commands run on the client itself.
    "alloc-exec",
    # Volumes of CSI: volumes.csi of the configuration.
    "csi-mount-volume",
  ]

  # What pods are given: files and secret texts.
  variables {
    path "nomad/jobs/vk-*" {
      capabilities = ["list", "read", "write", "destroy"]
    }
  }
}

# The clients, as a node.
node {
  policy = "read"
}

# Whether memory may be oversubscribed.
operator {
  policy = "read"
}
