// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

import "strings"

// environmentSample makes an inferenceconfig.json whose environment is the
// matter.
func environmentSample(d dice) sample {
	fields := environmentFields()
	environment := rightEnvironment(d)
	s := sample{question: "inference", style: style(d.IntN(int(styles)))}
	s.tree = object(entry{"entryScript", text("score.py")}, entry{"environment", environment})
	for i := range fields {
		fields[i].path = "environment." + fields[i].path
	}
	switch {
	case d.chance(30):
	case d.chance(25):
		pick(d, environmentShapes())(d, s.tree)
	default:
		spoil(d, &s, fields)
	}
	return s
}

func environmentFields() []field {
	conda := object(entry{"channels", texts("conda-forge")},
		entry{"dependencies", list(text("python=3.8"), text("pip"),
			object(entry{"pip", texts("azureml-defaults", "numpy==1.2")}))})
	return []field{
		quotes("name", "env my-env Env.1"),
		quotes("version", "1 2 latest"),
		{"environmentVariables", []*tree{object(entry{"A", text("b")}, entry{"C", text("d e")})}},
		plains("python.userManagedDependencies", "true false"),
		quotes("python.interpreterPath", "python /opt/bin/python3"),
		{"python.condaDependencies", []*tree{conda}},
		quotes("python.condaDependenciesFile", "conda.yml"),
		quotes("python.baseCondaEnvironment", "base"),
		quotes("docker.baseImage", "x.azurecr.io/base:1"),
		quotes("docker.baseImageRegistry.address", "x.azurecr.io"),
		quotes("docker.baseImageRegistry.username", "me"),
		quotes("docker.baseImageRegistry.password", "pass"),
		quotes("docker.platform.os", "Linux"),
		quotes("docker.platform.architecture", "amd64"),
		quotes("docker.shmSize", "2g 512m"),
		{"docker.arguments", []*tree{list(), texts("--init")}},
		plains("docker.enabled", "true false"),
		plains("docker.sharedVolumes", "true false"),
		quotes("inferencingStackVersion", "latest"),
		{"spark", []*tree{object(entry{"precachePackages", plain("true")})}},
		{"databricks", []*tree{object(), plain("null")}},
		{"r", []*tree{plain("null")}},
		quotes("assetId", "x"),
	}
}

// rightEnvironment makes an environment that is more than a reference.
func rightEnvironment(d dice) *tree {
	t := object(entry{"name", text("env")})
	for _, f := range environmentFields() {
		if d.chance(22) {
			t.set(f.path, pick(d, f.right))
		}
	}
	if registry := t.get("docker"); registry != nil && registry.get("baseImageRegistry") != nil && d.chance(80) {
		for _, key := range words("address username password") {
			t.set("docker.baseImageRegistry."+key, text("x"))
		}
	}
	if len(t.entries) < 3 {
		t.set("docker.baseImage", text("x.azurecr.io/base:1"))
	}
	return t
}

// environmentShapes are what rules are about that a single field does not show.
func environmentShapes() []func(d dice, t *tree) {
	const environment, conda = "environment", "environment.python.condaDependencies"
	set := func(path string, values ...*tree) func(dice, *tree) {
		return func(d dice, t *tree) { t.set(path, pick(d, values).clone()) }
	}
	return []func(dice, *tree){
		set(environment, plain("null"), object(), object(entry{"name", text("env")}), text("env"), list(), plain("true"),
			plain("1"), object(entry{"name", text("env")}, entry{"version", text("1")}), object(entry{"version", text("1")})),
		set("environment.docker.baseDockerfile", text("FROM x\nRUN true\n"), text("FROM x"), text(""), plain("null")),
		set("environment.docker.buildContext", plain("null"), object(entry{"locationType", text("git")},
			entry{"location", text("https://example.com/x")}, entry{"dockerfilePath", text("Dockerfile")})),
		set("environment.python", plain("null"), object(), list(), text("x")),
		set("environment.docker", plain("null"), object(), list(), text("x")),
		set("environment.docker.baseImageRegistry", plain("null"), object(), text("x"), list()),
		set("environment.docker.platform", plain("null"), object(), object(entry{"os", text("Windows")}),
			object(entry{"os", text("linux")}, entry{"architecture", text("AMD64")}),
			object(entry{"architecture", text("arm64")})),
		set("environment.environmentVariables", plain("null"), object(), list(), text("A=b"), object(entry{"A", plain("1")},
			entry{"B", plain("true")}, entry{"C", plain("1.50")}, entry{"D", plain("null")}), object(entry{"A", list()}),
			object(entry{"AZUREML_ENTRY_SCRIPT", text("x")}, entry{"AZUREML_SOURCE_DIRECTORY", text("y")})),
		set(conda, plain("null"), object(), list(), text("x"), object(entry{"dependencies", list()}),
			object(entry{"dependencies", plain("null")}), object(entry{"packages", list()}), object(entry{"name", text("x")}),
			object(entry{"name", text("x")}, entry{"prefix", text("/opt")}, entry{"variables", object(entry{"A", text("b")})})),
		set(conda+".dependencies", texts("python=3.8"), texts("azureml-defaults"), list(object(entry{"pip", plain("null")})),
			list(object(entry{"pip", texts("x")}), object(entry{"pip", texts("y")})), list(object(entry{"npm", texts("x")})),
			list(plain("1")), list(plain("null")), list(list()), text("python"), object(entry{"pip", texts("x")})),
		set(conda+".channels", text("conda-forge"), list(), plain("null"), list(plain("1"))),
		set(conda+".unknown", texts("x"), plain("null")),
		func(d dice, t *tree) {
			t.set(pick(d, words("runtime condaFile extraDockerfileSteps enableGpu cudaVersion baseImage")),
				pick(d, []*tree{text("python"), plain("null"), plain("false"), plain("true"), text(""), text("9.0")}))
		},
		func(d dice, t *tree) {
			t.set("baseImageRegistry", object(entry{"address", text(strings.Repeat("x", 1+d.IntN(3)))}))
		},
	}
}

// folderSample makes an environment in its folder form.
func folderSample(d dice) sample {
	t := rightEnvironment(d)
	s := sample{question: "environment", tree: t, style: pick(d, []style{jsonStyle, compactStyle, tabStyle}),
		beside: map[string]string{}}
	conda := object(entry{"name", text("x")}, entry{"dependencies", list(text("python=3.8"),
		object(entry{"pip", texts("azureml-defaults")}))})
	if d.chance(50) {
		s.beside["conda_dependencies.yml"] = render(conda, pick(d, []style{yamlStyle, yamlStyle, jsonStyle}))
	}
	if d.chance(30) {
		s.beside["BaseDockerfile"] = pick(d, []string{"FROM x\n", "FROM x\nRUN true\n", ""})
	}
	switch {
	case d.chance(40):
	case d.chance(12):
		s.tree = nil
	case d.chance(12):
		s.style = pick(d, []style{yamlStyle, flowStyle})
	case d.chance(35):
		conda.set(pick(d, words("unknown packages channels dependencies name prefix variables")), wrong(d))
		if e := randomEdit(d); e.name != "next-line" {
			// A conda file is YAML 1.2, which has no such line break.
			s.beside["conda_dependencies.yml"] = e.apply(render(conda, yamlStyle))
		}
	case d.chance(40):
		inline := object(entry{"environment", t})
		pick(d, environmentShapes())(d, inline)
		if s.tree = inline.get("environment"); s.tree.shape != objectShape {
			s.tree = object()
		}
	default:
		spoil(d, &s, environmentFields())
	}
	return s
}
