{{- /* Names, labels, and one instance's settings: those of all instances with its own over them. */ -}}

{{- define "vk.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "vk.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 53 | trimSuffix "-" -}}
{{- else if contains (include "vk.name" .) .Release.Name -}}
{{- .Release.Name | trunc 53 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "vk.name" .) | trunc 53 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- /* Of an instance: dict "root" $ "instance" $settings. Never longer than a label. */ -}}
{{- define "vk.instanceName" -}}
{{- $room := sub 62 (len .instance.name) | int -}}
{{- printf "%s-%s" (include "vk.fullname" .root | trunc $room | trimSuffix "-") .instance.name -}}
{{- end -}}

{{- /* What is not in the release's namespace bears its name. */ -}}
{{- define "vk.clusterName" -}}
{{- printf "%s-%s" .root.Release.Namespace (include "vk.instanceName" .) -}}
{{- end -}}

{{- define "vk.selectorLabels" -}}
app.kubernetes.io/name: {{ include "vk.name" .root | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
{{- with .instance }}
app.kubernetes.io/component: {{ .name | quote }}
{{- end }}
{{- end -}}

{{- define "vk.labels" -}}
{{ include "vk.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | quote }}
{{- end -}}

{{- define "vk.serviceAccountName" -}}
{{- .instance.serviceAccount.name | default (include "vk.instanceName" .) -}}
{{- end -}}

{{- define "vk.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* YAML of one map over another: maps are merged, all else is replaced, false and nothing included; null takes away. */ -}}
{{- define "vk.over" -}}
{{- $result := deepCopy .below -}}
{{- range $key, $value := .above -}}
{{- if kindIs "invalid" $value -}}
{{- $_ := unset $result $key -}}
{{- else if and (kindIs "map" $value) (kindIs "map" (index $result $key)) -}}
{{- $_ := set $result $key (include "vk.over" (dict "below" (index $result $key) "above" $value) | fromYaml) -}}
{{- else -}}
{{- $_ := set $result $key $value -}}
{{- end -}}
{{- end -}}
{{- toYaml $result -}}
{{- end -}}

{{- /* YAML of {instances: [...]}: maps merged, lists and single values replaced. A provider is replaced whole. */ -}}
{{- define "vk.instances" -}}
{{- $common := pick .Values "config" "resolvePods" "certificate" "serviceAccount" "rbac" "credentials" "workloadIdentity" "env" "envFrom" "volumes" "volumeMounts" "extraArgs" "resources" "podLabels" "podAnnotations" "podSecurityContext" "securityContext" "hostNetwork" "hostPID" "terminationGracePeriodSeconds" "priorityClassName" "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" "metrics" "webView" "networkPolicy" -}}
{{- $names := dict -}}
{{- $nodes := dict -}}
{{- $instances := list -}}
{{- range $index, $own := .Values.instances -}}
{{- if hasKey $names $own.name -}}
{{- fail (printf "instances[%d].name: there are two instances named %s" $index $own.name) -}}
{{- end -}}
{{- $_ := set $names $own.name true -}}
{{- $base := deepCopy $common -}}
{{- if dig "config" "nodeDefaults" "provider" "" $own -}}
{{- if dig "config" "nodeDefaults" "" $base -}}
{{- $_ := unset $base.config.nodeDefaults "provider" -}}
{{- end -}}
{{- end -}}
{{- $merged := include "vk.over" (dict "below" $base "above" $own) | fromYaml -}}
{{- if and (eq $merged.certificate.source "secret") (not $merged.certificate.secretName) -}}
{{- fail (printf "instances[%d]: certificate.source secret needs certificate.secretName" $index) -}}
{{- end -}}
{{- if and (not $merged.serviceAccount.create) (not $merged.serviceAccount.name) -}}
{{- fail (printf "instances[%d]: serviceAccount.create false needs serviceAccount.name" $index) -}}
{{- end -}}
{{- with $merged.workloadIdentity -}}
{{- if and .projectToken .azure.clientID (not .azure.tenantID) -}}
{{- fail (printf "instances[%d]: workloadIdentity.projectToken needs workloadIdentity.azure.tenantID" $index) -}}
{{- end -}}
{{- if and .projectToken .alibabaCloud.roleARN (not .alibabaCloud.oidcProviderARN) -}}
{{- fail (printf "instances[%d]: workloadIdentity.projectToken needs workloadIdentity.alibabaCloud.oidcProviderARN" $index) -}}
{{- end -}}
{{- if and .projectToken (not .azure.clientID) (not .aws.roleARN) (not .alibabaCloud.roleARN) -}}
{{- fail (printf "instances[%d]: workloadIdentity.projectToken needs workloadIdentity.azure.clientID, .aws.roleARN or .alibabaCloud.roleARN" $index) -}}
{{- end -}}
{{- end -}}
{{- if and (dig "webView" "enabled" false $merged.config) (not (dig "kubelet" "serve" true $merged.config)) -}}
{{- fail (printf "instances[%d]: config.webView.enabled needs config.kubelet.serve: the view is served with its certificate" $index) -}}
{{- end -}}
{{- range (include "vk.nodeNames" $merged.config | fromJsonArray) -}}
{{- if hasKey $nodes . -}}
{{- fail (printf "instances[%d].config.nodes: two nodes are named %s" $index .) -}}
{{- end -}}
{{- $_ := set $nodes . true -}}
{{- end -}}
{{- $instances = append $instances $merged -}}
{{- end -}}
{{- dict "instances" $instances | toYaml -}}
{{- end -}}
