{{- /* The ServiceAccount of an instance as somebody in a cloud. The cloud's webhook goes by annotations and a label, and brings variables
and tokens; or these stand here. */ -}}

{{- define "vk.identityAnnotations" -}}
{{- $annotations := deepCopy (default dict .serviceAccount.annotations) -}}
{{- with .workloadIdentity -}}
{{- if not .projectToken -}}
{{- if .azure.clientID -}}
{{- $_ := set $annotations "azure.workload.identity/client-id" .azure.clientID -}}
{{- end -}}
{{- if .azure.tenantID -}}
{{- $_ := set $annotations "azure.workload.identity/tenant-id" .azure.tenantID -}}
{{- end -}}
{{- if .aws.roleARN -}}
{{- $_ := set $annotations "eks.amazonaws.com/role-arn" .aws.roleARN -}}
{{- end -}}
{{- if .alibabaCloud.roleARN -}}
{{- $_ := set $annotations "pod-identity.alibabacloud.com/role-name" (regexReplaceAll "^.*:role/" .alibabaCloud.roleARN "") -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $annotations -}}
{{- toYaml $annotations -}}
{{- end -}}
{{- end -}}

{{- define "vk.podLabels" -}}
{{- $labels := deepCopy (default dict .podLabels) -}}
{{- if and .workloadIdentity.azure.clientID (not .workloadIdentity.projectToken) -}}
{{- $_ := set $labels "azure.workload.identity/use" "true" -}}
{{- end -}}
{{- if $labels -}}
{{- toYaml $labels -}}
{{- end -}}
{{- end -}}

{{- /* YAML list of variables; empty where the webhook brings them. */ -}}
{{- define "vk.identityEnv" -}}
{{- with .workloadIdentity -}}
{{- if .projectToken -}}
{{- if .azure.clientID }}
- {name: AZURE_CLIENT_ID, value: {{ .azure.clientID | quote }}}
- {name: AZURE_TENANT_ID, value: {{ .azure.tenantID | quote }}}
- {name: AZURE_FEDERATED_TOKEN_FILE, value: /var/run/secrets/workload-identity/azure}
{{- end }}
{{- if .aws.roleARN }}
- {name: AWS_ROLE_ARN, value: {{ .aws.roleARN | quote }}}
- {name: AWS_WEB_IDENTITY_TOKEN_FILE, value: /var/run/secrets/workload-identity/aws}
{{- end }}
{{- if .alibabaCloud.roleARN }}
- {name: ALIBABA_CLOUD_ROLE_ARN, value: {{ .alibabaCloud.roleARN | quote }}}
- {name: ALIBABA_CLOUD_OIDC_PROVIDER_ARN, value: {{ .alibabaCloud.oidcProviderARN | quote }}}
- {name: ALIBABA_CLOUD_OIDC_TOKEN_FILE, value: /var/run/secrets/workload-identity/alibaba-cloud}
{{- end }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* YAML list of the sources of a projected volume: the kubelet renews the tokens. */ -}}
{{- define "vk.identityTokens" -}}
{{- with .workloadIdentity -}}
{{- if .projectToken -}}
{{- if .azure.clientID }}
- serviceAccountToken: {path: azure, audience: "api://AzureADTokenExchange", expirationSeconds: 3600}
{{- end }}
{{- if .aws.roleARN }}
- serviceAccountToken: {path: aws, audience: sts.amazonaws.com, expirationSeconds: 86400}
{{- end }}
{{- if .alibabaCloud.roleARN }}
- serviceAccountToken: {path: alibaba-cloud, audience: sts.aliyuncs.com, expirationSeconds: 3600}
{{- end }}
{{- end -}}
{{- end -}}
{{- end -}}
