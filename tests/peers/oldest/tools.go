// +build tools

// Package oldest is there for go.mod alone: what writes the file that the module of Kubernetes 1.20 is without.
package oldest

import _ "k8s.io/kube-openapi/cmd/openapi-gen"
