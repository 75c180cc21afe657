{{/* What everything of this release begins with. */}}
{{- define "leveret.name" -}}
{{- contains "leveret" .Release.Name | ternary .Release.Name (printf "%s-leveret" .Release.Name) | trunc 30 | trimSuffix "-" }}
{{- end }}

{{/* The name of a model where neither a slash nor a dot may stand; no two are alike. */}}
{{- define "leveret.slug" -}}
{{- printf "%s-%s" (regexReplaceAll "[^a-z0-9]+" . "-" | trunc 24 | trimAll "-") (sha256sum . | trunc 6) }}
{{- end }}

{{- define "leveret.selector" -}}
app.kubernetes.io/name: leveret
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "leveret.labels" -}}
{{ include "leveret.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* The image: [root, what is said of this model]. */}}
{{- define "leveret.image" -}}
{{- $root := index . 0 }}{{ $own := index . 1 -}}
{{ $own.repository | default $root.Values.image.repository }}:{{ $own.tag | default $root.Values.image.tag | default $root.Chart.AppVersion }}
{{- end }}

{{/* Where RabbitMQ and Redis are: [root, what is said of this model]. */}}
{{- define "leveret.urls" -}}
{{- $root := index . 0 }}{{ $own := index . 1 }}
{{- $name := $own.name | default (required "secret.name must name the Secret with the URLs of RabbitMQ and Redis" $root.Values.secret.name) -}}
- name: LEVERET_BROKER_URL
  valueFrom: {secretKeyRef: {name: {{ $name }}, key: {{ $own.brokerUrl | default $root.Values.secret.brokerUrl }}}}
- name: LEVERET_STORE_URL
  valueFrom: {secretKeyRef: {name: {{ $name }}, key: {{ $own.storeUrl | default $root.Values.secret.storeUrl }}}}
{{- end }}

{{/* Variables, by name; whole numbers as such, however large they are. */}}
{{- define "leveret.env" -}}
{{- range $name, $value := . }}
- name: {{ $name }}
  value: {{ if and (kindIs "float64" $value) (eq (floor $value) $value) }}{{ int64 $value | quote }}{{ else }}{{ $value | toString | quote }}{{ end }}
{{- end }}
{{- end }}

{{/* What a pod may: nothing but run as somebody who is not root. */}}
{{- define "leveret.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "leveret.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* What of a model is not said, from `model`: [root, model]. As YAML. */}}
{{- define "leveret.model" -}}
{{- toYaml (mergeOverwrite (deepCopy (index . 0).Values.model) (index . 1)) }}
{{- end }}

{{/* The name of a model's workers: [root, model]. */}}
{{- define "leveret.worker" -}}
{{- include "leveret.name" (index . 0) }}-{{ include "leveret.slug" (index . 1).name }}
{{- end }}
