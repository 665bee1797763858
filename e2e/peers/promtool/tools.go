//go:build tools

// Package tools pins the promtool that tests the alerts.
package tools

import (
	_ "github.com/prometheus/prometheus/cmd/promtool"
)
