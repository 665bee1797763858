//go:build tools

// Package tools pins the client of sessions that AWS itself gives out.
package tools

import (
	_ "github.com/aws/session-manager-plugin/src/sessionmanagerplugin-main"
)
