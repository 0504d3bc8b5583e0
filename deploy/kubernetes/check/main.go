// Reads what `kubectl kustomize` prints and says what a cluster would not take, or would take and not do: misspelt
// fields, names of things that are not there, containers without limits. Strictly: what it does not know is an error.
package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// All that has been read, by what other things ask of it.
type cluster struct {
	problems   []string
	count      int
	namespaces map[string]bool
	placed     map[string]string   // One thing of each namespace that is named.
	configs    map[string]bool     // "ConfigMap/name" and "Secret/name"
	files      map[string][]string // Of each Secret, the names of what is in it.
	pods       []pods
	services   []core.Service
	budgets    []policy.PodDisruptionBudget
	scalers    []autoscaling.HorizontalPodAutoscaler
	policies   []networking.NetworkPolicy
}

// What makes pods.
type pods struct {
	kind, name string
	selector   *meta.LabelSelector
	template   core.PodTemplateSpec
	replicas   *int32
	service    string
	claims     []core.PersistentVolumeClaim
}

func (c *cluster) problem(format string, words ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, words...))
}

func strict[T any](c *cluster, text []byte, into *T) bool {
	asJSON, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		c.problem("%v", err)
		return false
	}
	// Not encoding/json, to which fileSystem and filesystem are the same; to a cluster they are not.
	wrong, err := json.UnmarshalStrict(asJSON, into)
	if err != nil {
		wrong = append(wrong, err)
	}
	for _, one := range wrong {
		c.problem("%v", one)
	}
	return len(wrong) == 0
}

func (c *cluster) read(text []byte) {
	var head struct {
		meta.TypeMeta `json:",inline"`
		Metadata      meta.ObjectMeta `json:"metadata"`
	}
	if err := yaml.Unmarshal(text, &head); err != nil {
		c.problem("%v", err)
		return
	}
	c.count++
	name := head.Metadata.Name
	before := len(c.problems)
	switch head.APIVersion + " " + head.Kind {
	case "v1 Namespace":
		strict(c, text, &core.Namespace{})
		c.namespaces[name] = true
	case "v1 ConfigMap":
		strict(c, text, &core.ConfigMap{})
		c.configs["ConfigMap/"+name] = true
	case "v1 Secret":
		var one core.Secret
		strict(c, text, &one)
		c.configs["Secret/"+name] = true
		c.files[name] = slices.Collect(maps.Keys(one.Data))
	case "v1 ServiceAccount":
		strict(c, text, &core.ServiceAccount{})
		c.configs["ServiceAccount/"+name] = true
	case "v1 Service":
		var one core.Service
		if strict(c, text, &one) {
			c.services = append(c.services, one)
		}
	case "apps/v1 Deployment":
		var one apps.Deployment
		if strict(c, text, &one) {
			c.pods = append(c.pods, pods{head.Kind, name, one.Spec.Selector, one.Spec.Template, one.Spec.Replicas, "", nil})
		}
	case "apps/v1 StatefulSet":
		var one apps.StatefulSet
		if strict(c, text, &one) {
			c.pods = append(c.pods, pods{head.Kind, name, one.Spec.Selector, one.Spec.Template, one.Spec.Replicas,
				one.Spec.ServiceName, one.Spec.VolumeClaimTemplates})
		}
	case "policy/v1 PodDisruptionBudget":
		var one policy.PodDisruptionBudget
		if strict(c, text, &one) {
			c.budgets = append(c.budgets, one)
		}
	case "autoscaling/v2 HorizontalPodAutoscaler":
		var one autoscaling.HorizontalPodAutoscaler
		if strict(c, text, &one) {
			c.scalers = append(c.scalers, one)
		}
	case "networking.k8s.io/v1 NetworkPolicy":
		var one networking.NetworkPolicy
		if strict(c, text, &one) {
			c.policies = append(c.policies, one)
		}
	default:
		c.problem("%s %s is a kind that this program does not know", head.APIVersion, head.Kind)
	}
	if head.Metadata.Namespace != "" {
		c.placed[head.Metadata.Namespace] = head.Kind + "/" + name
	} else if head.Kind != "Namespace" {
		c.problem("it is in no namespace")
	}
	for i := before; i < len(c.problems); i++ {
		c.problems[i] = head.Kind + "/" + name + ": " + c.problems[i]
	}
}

// Whether a selector finds pods of anything here.
func (c *cluster) finds(selector *meta.LabelSelector) bool {
	made, err := meta.LabelSelectorAsSelector(selector)
	if err != nil {
		c.problem("a selector: %v", err)
		return false
	}
	for _, one := range c.pods {
		if made.Matches(labels.Set(one.template.Labels)) {
			return true
		}
	}
	return false
}

func main() {
	text, err := io.ReadAll(io.LimitReader(os.Stdin, 16<<20))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	c := &cluster{namespaces: map[string]bool{}, placed: map[string]string{}, configs: map[string]bool{}, files: map[string][]string{}}
	for _, one := range bytes.Split(append([]byte("\n"), text...), []byte("\n---\n")) {
		if len(bytes.TrimSpace(one)) > 0 {
			c.read(one)
		}
	}
	c.relate()
	if c.count == 0 {
		c.problem("there is nothing on standard input: kubectl kustomize deploy/kubernetes | check")
	}
	if len(c.problems) > 0 {
		fmt.Fprintln(os.Stderr, strings.Join(c.problems, "\n"))
		os.Exit(1)
	}
	fmt.Printf("%d things, each as the API's types have it\n", c.count)
}
