package main

import (
	"path"
	"slices"
	"strings"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// What each thing asks of others.
func (c *cluster) relate() {
	for namespace, one := range c.placed {
		if !c.namespaces[namespace] {
			c.problem("%s: Namespace/%s is not there", one, namespace)
		}
	}
	for _, one := range c.pods {
		before := len(c.problems)
		c.relatePods(one)
		for i := before; i < len(c.problems); i++ {
			c.problems[i] = one.kind + "/" + one.name + ": " + c.problems[i]
		}
	}
	for _, one := range c.services {
		c.relateService(one)
	}
	for _, one := range c.budgets {
		if !c.finds(one.Spec.Selector) {
			c.problem("PodDisruptionBudget/%s: its selector finds no pods", one.Name)
		}
		if (one.Spec.MinAvailable == nil) == (one.Spec.MaxUnavailable == nil) {
			c.problem("PodDisruptionBudget/%s: it has to say one of minAvailable and maxUnavailable", one.Name)
		}
	}
	for _, one := range c.scalers {
		found := false
		for _, target := range c.pods {
			if target.kind != one.Spec.ScaleTargetRef.Kind || target.name != one.Spec.ScaleTargetRef.Name {
				continue
			}
			found = true
			if target.replicas != nil {
				c.problem("%s/%s: replicas are said, but HorizontalPodAutoscaler/%s decides them", target.kind, target.name, one.Name)
			}
		}
		if !found {
			c.problem("HorizontalPodAutoscaler/%s: %s/%s is not there", one.Name, one.Spec.ScaleTargetRef.Kind, one.Spec.ScaleTargetRef.Name)
		}
		if len(one.Spec.Metrics) == 0 {
			c.problem("HorizontalPodAutoscaler/%s: no metric says how many", one.Name)
		}
	}
	for _, one := range c.policies {
		if !c.finds(&one.Spec.PodSelector) {
			c.problem("NetworkPolicy/%s: its selector finds no pods", one.Name)
		}
		for _, rule := range one.Spec.Ingress {
			for _, from := range rule.From {
				if from.PodSelector != nil && from.NamespaceSelector == nil && !c.finds(from.PodSelector) {
					c.problem("NetworkPolicy/%s: lets in pods that are not there", one.Name)
				}
			}
		}
		for _, rule := range one.Spec.Egress {
			for _, to := range rule.To {
				if to.PodSelector != nil && to.NamespaceSelector == nil && !c.finds(to.PodSelector) {
					c.problem("NetworkPolicy/%s: lets out to pods that are not there", one.Name)
				}
			}
		}
	}
}

func (c *cluster) relatePods(one pods) {
	made, err := meta.LabelSelectorAsSelector(one.selector)
	if err != nil || made.Empty() || !made.Matches(labels.Set(one.template.Labels)) {
		c.problem("its selector does not find its own pods")
	}
	budgeted, walled := false, false
	for _, budget := range c.budgets {
		selector, _ := meta.LabelSelectorAsSelector(budget.Spec.Selector)
		budgeted = budgeted || selector.Matches(labels.Set(one.template.Labels))
	}
	for _, wall := range c.policies {
		selector, _ := meta.LabelSelectorAsSelector(&wall.Spec.PodSelector)
		walled = walled || selector.Matches(labels.Set(one.template.Labels))
	}
	if !budgeted {
		c.problem("no PodDisruptionBudget is for it")
	}
	if !walled {
		c.problem("no NetworkPolicy is for it")
	}
	if one.kind == "StatefulSet" {
		found := false
		for _, service := range c.services {
			found = found || (service.Name == one.service && service.Spec.ClusterIP == core.ClusterIPNone)
		}
		if !found {
			c.problem("its serviceName is no Service without an address: %q", one.service)
		}
	}
	spec := one.template.Spec
	if spec.AutomountServiceAccountToken == nil || *spec.AutomountServiceAccountToken {
		c.problem("its pods get a token of the cluster that they do not need")
	}
	if s := spec.SecurityContext; s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.SeccompProfile == nil {
		c.problem("its pods may run as root, or without a filter of system calls")
	}
	volumes := map[string]bool{}
	for _, claim := range one.claims {
		volumes[claim.Name] = true
	}
	for _, volume := range spec.Volumes {
		volumes[volume.Name] = true
		if s := volume.Secret; s != nil && !c.configs["Secret/"+s.SecretName] {
			c.problem("Secret/%s is not there", s.SecretName)
		}
		if m := volume.ConfigMap; m != nil && !c.configs["ConfigMap/"+m.Name] {
			c.problem("ConfigMap/%s is not there", m.Name)
		}
	}
	for _, container := range append(spec.InitContainers, spec.Containers...) {
		c.relateContainer(container, volumes)
		c.relateFiles(container, spec)
	}
}

// A file that a flag or a variable names has to be in the Secret that is mounted there; a key in it is nobody else's.
func (c *cluster) relateFiles(one core.Container, spec core.PodSpec) {
	secrets := map[string]*core.SecretVolumeSource{}
	for _, volume := range spec.Volumes {
		secrets[volume.Name] = volume.Secret
	}
	mounted := map[string]*core.SecretVolumeSource{}
	for _, mount := range one.VolumeMounts {
		if secret := secrets[mount.Name]; secret != nil {
			mounted[mount.MountPath] = secret
			if secret.DefaultMode == nil || *secret.DefaultMode&0o337 != 0 {
				c.problem("%s: others may read, or somebody write, what is in %s", one.Name, mount.MountPath)
			}
		}
	}
	var named []string
	for _, word := range append(slices.Clone(one.Command), one.Args...) {
		_, value, _ := strings.Cut(word, "=")
		named = append(named, word, value)
	}
	for _, variable := range one.Env {
		named = append(named, variable.Value)
	}
	for _, file := range named {
		folder, name := path.Split(file)
		if !path.IsAbs(file) || !strings.HasPrefix(folder, "/etc/") {
			continue
		}
		secret := mounted[path.Clean(folder)]
		if secret == nil {
			c.problem("%s: %s is in no Secret that is mounted", one.Name, file)
		} else if !slices.Contains(c.files[secret.SecretName], name) {
			c.problem("%s: Secret/%s has no %s", one.Name, secret.SecretName, name)
		}
	}
}

func (c *cluster) relateContainer(one core.Container, volumes map[string]bool) {
	name := one.Name
	_, tag, tagged := strings.Cut(one.Image[strings.LastIndex(one.Image, "/")+1:], ":")
	if !tagged || tag == "latest" {
		c.problem("%s: %s names no version", name, one.Image)
	}
	for _, resource := range []core.ResourceName{core.ResourceCPU, core.ResourceMemory} {
		if _, asked := one.Resources.Requests[resource]; !asked {
			c.problem("%s: requests no %s", name, resource)
		}
	}
	if _, limited := one.Resources.Limits[core.ResourceMemory]; !limited {
		c.problem("%s: its memory has no limit", name)
	}
	s := one.SecurityContext
	if s == nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || s.ReadOnlyRootFilesystem == nil ||
		!*s.ReadOnlyRootFilesystem || s.Capabilities == nil || len(s.Capabilities.Drop) != 1 || s.Capabilities.Drop[0] != "ALL" ||
		len(s.Capabilities.Add) != 0 || (s.Privileged != nil && *s.Privileged) {
		c.problem("%s: it may do more than it needs", name)
	}
	ports := map[string]bool{}
	for _, port := range one.Ports {
		ports[port.Name] = true
	}
	if one.ReadinessProbe == nil || one.LivenessProbe == nil || one.StartupProbe == nil {
		c.problem("%s: it needs probes for startup, liveness and readiness", name)
	}
	for _, probe := range []*core.Probe{one.ReadinessProbe, one.LivenessProbe, one.StartupProbe} {
		if probe == nil {
			continue
		}
		port := intstr.IntOrString{}
		if probe.HTTPGet != nil {
			port = probe.HTTPGet.Port
		} else if probe.TCPSocket != nil {
			port = probe.TCPSocket.Port
		} else {
			continue
		}
		if port.Type != intstr.String || !ports[port.StrVal] {
			c.problem("%s: a probe asks at %s, which is no port of it by name", name, port.String())
		}
	}
	for _, mount := range one.VolumeMounts {
		if !volumes[mount.Name] {
			c.problem("%s: volume %s is not there", name, mount.Name)
		}
	}
	for _, from := range one.EnvFrom {
		if m := from.ConfigMapRef; m != nil && !c.configs["ConfigMap/"+m.Name] {
			c.problem("%s: ConfigMap/%s is not there", name, m.Name)
		}
	}
	for _, variable := range one.Env {
		if variable.ValueFrom == nil {
			continue
		}
		if m := variable.ValueFrom.ConfigMapKeyRef; m != nil && !c.configs["ConfigMap/"+m.Name] {
			c.problem("%s: ConfigMap/%s is not there", name, m.Name)
		}
		if s := variable.ValueFrom.SecretKeyRef; s != nil && !c.configs["Secret/"+s.Name] {
			c.problem("%s: Secret/%s is not there", name, s.Name)
		}
	}
}

func (c *cluster) relateService(one core.Service) {
	for _, target := range c.pods {
		if !labels.SelectorFromSet(one.Spec.Selector).Matches(labels.Set(target.template.Labels)) {
			continue
		}
		ports := map[string]bool{}
		for _, container := range target.template.Spec.Containers {
			for _, port := range container.Ports {
				ports[port.Name] = true
			}
		}
		for _, port := range one.Spec.Ports {
			if port.TargetPort.Type != intstr.String || !ports[port.TargetPort.StrVal] {
				c.problem("Service/%s: %s/%s has no port %q", one.Name, target.kind, target.name, port.TargetPort.String())
			}
		}
		return
	}
	c.problem("Service/%s: its selector finds no pods", one.Name)
}
