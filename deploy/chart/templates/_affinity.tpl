{{- /* What was asked for, and never on a virtual node: a program that runs its own node would wait for itself. */ -}}
{{- define "vk.affinity" -}}
{{- $affinity := deepCopy (default dict .) -}}
{{- $never := dict "key" "type" "operator" "NotIn" "values" (list "virtual-kubelet") -}}
{{- $required := dig "nodeAffinity" "requiredDuringSchedulingIgnoredDuringExecution" "nodeSelectorTerms" list $affinity -}}
{{- $terms := list -}}
{{- range (default (list dict) $required) -}}
{{- $expressions := append (default list .matchExpressions) $never -}}
{{- $terms = append $terms (mergeOverwrite (deepCopy .) (dict "matchExpressions" $expressions)) -}}
{{- end -}}
{{- $node := default dict $affinity.nodeAffinity -}}
{{- $_ := set $node "requiredDuringSchedulingIgnoredDuringExecution" (dict "nodeSelectorTerms" $terms) -}}
{{- $_ := set $affinity "nodeAffinity" $node -}}
{{- toYaml $affinity -}}
{{- end -}}
