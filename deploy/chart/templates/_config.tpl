{{- /* The configuration file of an instance, and what follows from it: names and ports of nodes, features that need rights. */ -}}

{{- /* JSON list of all node names of a configuration: vk-{} with count 2 is vk-0 and vk-1. */ -}}
{{- define "vk.nodeNames" -}}
{{- $names := list -}}
{{- range .nodes -}}
{{- if hasKey . "count" -}}
{{- $pattern := ternary .name (printf "%s-{}" .name) (contains "{}" .name) -}}
{{- range $number := until (int .count) -}}
{{- $names = append $names (replace "{}" (toString $number) $pattern) -}}
{{- end -}}
{{- else -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- end -}}
{{- toJson $names -}}
{{- end -}}

{{- /* The file. Ports are said, for the NetworkPolicy: counted on from the first over all nodes that have none of their own. */ -}}
{{- define "vk.config" -}}
{{- $config := deepCopy .config -}}
{{- $_ := set $config "metricsAddr" (printf ":%d" (int .metrics.port)) -}}
{{- $kubelet := deepCopy (default dict $config.kubelet) -}}
{{- if eq .certificate.source "secret" -}}
{{- $_ := merge $kubelet (dict "certFile" "/etc/virtual-kubelet/certificate/tls.crt" "keyFile" "/etc/virtual-kubelet/certificate/tls.key") -}}
{{- else if eq .certificate.source "csr" -}}
{{- $_ := merge $kubelet (dict "serverTLSBootstrap" true "certDir" "/var/lib/virtual-kubelet/pki") -}}
{{- end -}}
{{- if $kubelet -}}
{{- $_ := set $config "kubelet" $kubelet -}}
{{- end -}}
{{- $first := dig "nodeDefaults" "port" 10250 $config | int -}}
{{- $next := $first -}}
{{- $nodes := list -}}
{{- range $config.nodes -}}
{{- $node := deepCopy . -}}
{{- if not (hasKey $node "port") -}}
{{- $_ := set $node "port" $next -}}
{{- if not $kubelet.sharedPort -}}
{{- $next = add $next (default 1 .count) | int -}}
{{- end -}}
{{- end -}}
{{- $nodes = append $nodes $node -}}
{{- end -}}
{{- $_ := set $config "nodes" $nodes -}}
{{- if $config.nodeDefaults -}}
{{- $_ := unset $config.nodeDefaults "port" -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{- /* YAML list of {port, endPort} of a rendered configuration. */ -}}
{{- define "vk.kubeletPorts" -}}
{{- $ports := list -}}
{{- if dig "kubelet" "serve" true . -}}
{{- $shared := dig "kubelet" "sharedPort" false . -}}
{{- range .nodes -}}
{{- $last := ternary (int .port) (add (int .port) (int (default 1 .count)) -1 | int) $shared -}}
{{- $ports = append $ports (dict "port" (int .port) "endPort" $last) -}}
{{- end -}}
{{- end -}}
{{- toYaml (uniq $ports) -}}
{{- end -}}

{{- /* YAML map of features that are on; those of needed-access.ts. dict "root" $ "instance" $settings */ -}}
{{- define "vk.features" -}}
{{- $config := .instance.config -}}
{{- $access := .root.Files.Get "files/access.yaml" | fromYaml -}}
{{- $resolve := eq (toString .instance.resolvePods) "true" -}}
{{- if eq (toString .instance.resolvePods) "auto" -}}
{{- $default := dig "nodeDefaults" "provider" "name" "" $config -}}
{{- range $config.nodes -}}
{{- if not (has (dig "provider" "name" $default .) $access.providersWithoutResolve) -}}
{{- $resolve = true -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $few := le (include "vk.nodeNames" $config | fromJsonArray | len) (dig "watch" "perNodeLimit" 10 $config | int) -}}
perNodeWatch: {{ $few }}
sharedWatch: {{ not $few }}
deleteNodes: {{ eq (dig "node" "onShutdown" "leave" $config) "delete" }}
putStatuses: {{ eq (dig "podStatusForm" "put" $config) "put" }}
resolve: {{ $resolve }}
{{- /* The web view is never served without the kubelet API here, and asks as that does. */}}
{{- $serves := dig "kubelet" "serve" true $config }}
kubeletApi: {{ $serves }}
authentication: {{ $serves }}
authorization: {{ and $serves (not (dig "kubelet" "insecureSkipAuthorization" false $config)) }}
clusterClientCA: {{ not (dig "kubelet" "clientCAFile" "" $config) }}
certificates: {{ eq .instance.certificate.source "csr" }}
clusterIdentity: {{ not (dig "clusterId" "" $config) }}
{{- end -}}
