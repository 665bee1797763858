//go:build tools

// Package tools pins the metrics-server that end-to-end tests run.
package tools

import (
	_ "sigs.k8s.io/metrics-server/cmd/metrics-server"
)
