// Admission puts pods before the API server's own plugin for mutating policies, at the bounds on cost that it has there.
//
// Its argument is a folder with the API's schema, api__v1_openapi.json. On standard input stand objects of JSON, one a line: a namespace,
// policies and bindings, then pods in that namespace, which bear its name. For each pod it prints {"pod": as it is left} or {"error": why}.
// A policy that does not compile, or is not well typed, ends it.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	plugincel "k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/generic"
	"k8s.io/apiserver/pkg/admission/plugin/policy/matching"
	"k8s.io/apiserver/pkg/admission/plugin/policy/mutating"
	"k8s.io/apiserver/pkg/admission/plugin/policy/mutating/patch"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/openapi/openapitest"
)

type quiet struct{}

func (quiet) Helper()                     {}
func (quiet) Logf(string, ...interface{}) {}

// As the plugin itself compiles a policy; its own function for it is private.
func compile(policy *admissionv1.MutatingAdmissionPolicy) mutating.PolicyEvaluator {
	options := plugincel.OptionalVariableDeclarations{HasAuthorizer: true}
	compiler, err := plugincel.NewCompositedCompiler(environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()))
	must(err)
	for _, variable := range policy.Spec.Variables {
		result := compiler.CompileAndStoreVariable(&validating.Variable{Name: variable.Name, Expression: variable.Expression}, options, environment.NewExpressions)
		if result.Error != nil {
			fmt.Fprintln(os.Stderr, "variable", variable.Name, result.Error)
			os.Exit(1)
		}
	}
	var matcher matchconditions.Matcher
	if conditions := policy.Spec.MatchConditions; len(conditions) > 0 {
		accessors := make([]plugincel.ExpressionAccessor, len(conditions))
		for i := range conditions {
			accessors[i] = (*matchconditions.MatchCondition)(&conditions[i])
		}
		matcher = matchconditions.NewMatcher(compiler.CompileCondition(accessors, options, environment.NewExpressions), policy.Spec.FailurePolicy, "policy", "validate", policy.Name)
	}
	options.HasPatchTypes = true
	var patchers []patch.Patcher
	for _, mutation := range policy.Spec.Mutations {
		if mutation.PatchType == admissionv1.PatchTypeJSONPatch {
			patchers = append(patchers, patch.NewJSONPatcher(compiler.CompileMutatingEvaluator(&patch.JSONPatchCondition{Expression: mutation.JSONPatch.Expression}, options, environment.NewExpressions)))
			continue
		}
		evaluator := compiler.CompileMutatingEvaluator(&patch.ApplyConfigurationCondition{Expression: mutation.ApplyConfiguration.Expression}, options, environment.NewExpressions)
		for _, err := range evaluator.CompilationErrors() {
			fmt.Fprintln(os.Stderr, "mutation", err)
			os.Exit(1)
		}
		patchers = append(patchers, patch.NewApplyConfigurationPatcher(evaluator))
	}
	return mutating.PolicyEvaluator{Matcher: matcher, Mutators: patchers, CompositedCompiler: compiler}
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	server, cancel, err := generic.NewPolicyTestContext(
		quiet{}, mutating.NewMutatingAdmissionPolicyAccessor, mutating.NewMutatingAdmissionPolicyBindingAccessor, compile,
		func(a authorizer.Authorizer, m *matching.Matcher, _ kubernetes.Interface) generic.Dispatcher[mutating.PolicyHook] {
			return mutating.NewDispatcher(a, m, patch.NewTypeConverterManager(nil, openapitest.NewFileClient(os.Args[1])))
		},
		nil,
		[]meta.RESTMapping{{
			Resource:         schema.GroupVersionResource{Version: "v1", Resource: "pods"},
			GroupVersionKind: schema.GroupVersionKind{Version: "v1", Kind: "Pod"},
			Scope:            meta.RESTScopeNamespace,
		}, {
			Resource:         schema.GroupVersionResource{Version: "v1", Resource: "namespaces"},
			GroupVersionKind: schema.GroupVersionKind{Version: "v1", Kind: "Namespace"},
			Scope:            meta.RESTScopeRoot,
		}},
	)
	must(err)
	defer cancel()
	must(server.Start())
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	answers := json.NewEncoder(os.Stdout)
	var objects []runtime.Object
	for lines.Scan() {
		var kind metav1.TypeMeta
		must(json.Unmarshal(lines.Bytes(), &kind))
		var object runtime.Object
		switch kind.Kind {
		case "MutatingAdmissionPolicy":
			object = &admissionv1.MutatingAdmissionPolicy{}
		case "MutatingAdmissionPolicyBinding":
			object = &admissionv1.MutatingAdmissionPolicyBinding{}
		case "Namespace":
			namespace := &corev1.Namespace{}
			must(json.Unmarshal(lines.Bytes(), namespace))
			must(server.Update(namespace))
			continue
		case "Pod":
			pod := &corev1.Pod{}
			must(json.Unmarshal(lines.Bytes(), pod))
			if len(objects) > 0 {
				must(server.UpdateAndWait(objects...))
				objects = nil
			}
			answer := map[string]any{}
			if err := server.Dispatch(pod, nil, admission.Create); err != nil {
				answer["error"] = err.Error()
			} else {
				answer["pod"] = pod
			}
			must(answers.Encode(answer))
			continue
		default:
			must(fmt.Errorf("no use for %s", kind.Kind))
		}
		must(json.Unmarshal(lines.Bytes(), object))
		object.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{}) // the context knows its own kinds by type
		objects = append(objects, object)
	}
	must(lines.Err())
}
