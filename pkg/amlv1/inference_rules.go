// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

func inferenceRules() []rule[InferenceConfig] {
	return append([]rule[InferenceConfig]{
		{path: "entryScript", flag: "entry-script es",
			about: "Python script with init() and run(), inside sourceDirectory if there is one",
			into:  func(c *InferenceConfig) any { return &c.EntryScript },
			write: `the path of the score script, such as "score.py"`, also: []string{"scoreScript", "executionScript"}},
		{path: "sourceDirectory", flag: "source-directory sd",
			about: "folder that goes into the container as it is",
			into:  func(c *InferenceConfig) any { return &c.SourceDirectory },
			write: `the path of a folder, such as "."`, also: []string{"sourceDir"}},
		{path: "environment",
			about: "what the code runs in, written in full",
			into:  func(*InferenceConfig) any { return &opaque{} }, also: []string{"env"}},
		{path: "description", ignored: "has no effect in the file, as in Azure ML: give it as a flag"},
	}, oldRules()...)
}

func oldRules() []rule[InferenceConfig] {
	return []rule[InferenceConfig]{
		{path: "runtime", flag: "runtime rt",
			about: "language of the script; python is the one that is served",
			into:  func(c *InferenceConfig) any { return &c.Old.Runtime },
			text:  oneOf("python", "spark-py", "python-slim"), write: `"python"`},
		{path: "condaFile", flag: "conda-file cf",
			about: "conda file with the packages",
			into:  func(c *InferenceConfig) any { return &c.Old.CondaFile },
			write: `the path of a conda file, such as "conda.yml"`},
		{path: "extraDockerfileSteps", flag: "extra-docker-file-steps ds",
			about: "file with more steps for the Dockerfile",
			into:  func(c *InferenceConfig) any { return &c.Old.ExtraDockerfileSteps },
			write: `the path of a file with Dockerfile steps`},
		{path: "enableGpu", flag: "enable-gpu eg",
			about: "whether the base image is the one with CUDA",
			into:  func(c *InferenceConfig) any { return &c.Old.EnableGPU },
			write: "true or false without quotes"},
		{path: "cudaVersion", flag: "cuda-version cv",
			about: "version of CUDA in the base image",
			into:  func(c *InferenceConfig) any { return &c.Old.CUDAVersion },
			text:  oneOf("9.0", "9.1", "10.0"), write: `the version in quotes, such as "10.0"`},
		{path: "baseImage", flag: "base-image bi",
			about: "image to build upon",
			into:  func(c *InferenceConfig) any { return &c.Old.BaseImage },
			write: "the name of an image in quotes"},
		{path: "baseImageRegistry.address",
			about: "registry of the base image",
			into:  func(c *InferenceConfig) any { return &c.Old.BaseImageRegistry.Address },
			write: `the host of the registry, such as "example.azurecr.io"`},
		{path: "baseImageRegistry.username",
			about: "who logs in to it",
			into:  func(c *InferenceConfig) any { return &c.Old.BaseImageRegistry.Username }, write: "a name in quotes"},
		{path: "baseImageRegistry.password",
			about:  "the password to log in with",
			secret: true,
			into:   func(c *InferenceConfig) any { return &c.Old.BaseImageRegistry.Password }, write: "the password in quotes"},
	}
}

// environmentRules are the keys of an environment object. Those that only
// matter to training are known and passed over.
func environmentRules() []rule[Environment] {
	return append([]rule[Environment]{
		{path: "name", into: func(e *Environment) any { return &e.Name }, write: "a name in quotes"},
		{path: "version", into: func(e *Environment) any { return &e.Version }, write: "a version in quotes", scalar: true},
		{path: "environmentVariables", into: func(e *Environment) any { return &e.Variables },
			write: `{"NAME": "value", …}`, also: []string{"variables", "env"}},
		{path: "inferencingStackVersion", into: func(e *Environment) any { return &e.InferencingStackVersion },
			write: `"latest"`, scalar: true},
		{path: "python.userManagedDependencies",
			into:  func(e *Environment) any { return &e.Python.UserManagedDependencies },
			write: "true or false without quotes"},
		{path: "python.interpreterPath", into: func(e *Environment) any { return &e.Python.InterpreterPath },
			write: `a path in quotes, such as "python"`},
		{path: "python.condaDependencies", into: func(*Environment) any { return &opaque{} },
			also: []string{"conda", "conda_dependencies"}},
		{path: "python.condaDependenciesFile", into: func(e *Environment) any { return &e.Python.CondaDependenciesFile },
			write: "the path of a conda file", also: []string{"condaFile"},
			remark: "is not read, as in Azure ML: write the packages into condaDependencies"},
		{path: "python.baseCondaEnvironment", into: func(e *Environment) any { return &e.Python.BaseCondaEnvironment },
			write: "a name in quotes"},
		{path: "assetId", silent: true},
		{path: "databricks", silent: true},
		{path: "r", silent: true},
		{path: "spark", silent: true},
	}, dockerRules()...)
}

func dockerRules() []rule[Environment] {
	return []rule[Environment]{
		{path: "docker.baseImage", into: func(e *Environment) any { return &e.Docker.BaseImage },
			write: "the name of an image in quotes", also: []string{"image"}},
		{path: "docker.baseDockerfile", into: func(e *Environment) any { return &e.Docker.BaseDockerfile },
			write: "the text of a Dockerfile in quotes", also: []string{"dockerfile"}},
		{path: "docker.shmSize", into: func(e *Environment) any { return &e.Docker.ShmSize }, write: `a size such as "2g"`},
		{path: "docker.arguments", into: func(e *Environment) any { return &e.Docker.Arguments },
			write: `a list of texts, ["…"]`, remark: "has no effect: Docker does not run the container"},
		{path: "docker.baseImageRegistry.address",
			into:  func(e *Environment) any { return &e.Docker.BaseImageRegistry.Address },
			write: `the host of the registry, such as "example.azurecr.io"`},
		{path: "docker.baseImageRegistry.username",
			into: func(e *Environment) any { return &e.Docker.BaseImageRegistry.Username }, write: "a name in quotes"},
		{path: "docker.baseImageRegistry.password", secret: true,
			into: func(e *Environment) any { return &e.Docker.BaseImageRegistry.Password }, write: "the password in quotes"},
		{path: "docker.baseImageRegistry.registryIdentity",
			ignored: "is not supported: the cluster's own identity, or username and password, are used"},
		{path: "docker.buildContext", ignored: "is not supported: build the image yourself and name it in baseImage"},
		{path: "docker.enabled", silent: true},
		{path: "docker.platform.os", into: func(e *Environment) any { return &e.Docker.OS },
			text: oneOf("linux"), write: `"Linux"`},
		{path: "docker.platform.architecture", into: func(e *Environment) any { return &e.Docker.Architecture },
			text: oneOf("amd64"), write: `"amd64"`},
		{path: "docker.sharedVolumes", silent: true},
	}
}
