// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package amlv1

// deploymentRules are the keys of deploymentconfig.json for the compute types
// AKS and AKSENDPOINT, with the defaults of the Azure ML service.
func deploymentRules() []rule[DeploymentConfig] {
	rules := append(commonRules(), endpointRules()...)
	rules = append(rules, scalingRules()...)
	rules = append(rules, resourceRules()...)
	rules = append(rules, authRules()...)
	rules = append(rules, requestRules()...)
	return append(rules, probeRules()...)
}

type deployment = DeploymentConfig

const flagOnly = "has no effect in the file, as in Azure ML: give it as a flag"

// commonRules are the keys of every compute type.
func commonRules() []rule[DeploymentConfig] {
	return []rule[DeploymentConfig]{
		{path: "computeType",
			about:   "what is deployed: AKS is a service with one version, AKSENDPOINT an endpoint with several",
			means:   "AKS and AKSENDPOINT both become an endpoint, a service being one with a single version",
			support: Mapped,
			into:    func(*deployment) any { return &opaque{} }},
		{path: "tags", ignored: flagOnly},
		{path: "properties", ignored: flagOnly},
		{path: "description", ignored: flagOnly},
	}
}

func endpointRules() []rule[DeploymentConfig] {
	return []rule[DeploymentConfig]{
		{path: "computeTargetName", flag: "compute-target ct",
			about:   "attached compute that is deployed to",
			means:   "context of the compute of the name, or context of the name, that is deployed to; else the current one",
			support: Mapped,
			only:    AKS, into: func(c *deployment) any { return &c.ComputeTargetName },
			write: `the name of an attached compute, such as "aks-prod"`, also: []string{"ct", "compute_target"}},
		{path: "namespace", flag: "namespace",
			about: "namespace of Kubernetes that is deployed to",
			means: "namespace of the endpoint's objects, unless -n names one",
			into:  func(c *deployment) any { return &c.Namespace }, text: namespaceName,
			write: `a namespace such as "models"`},
		{path: "versionName", flag: "version-name vn",
			about: "name of the version",
			means: "name of the version; the only one there is, or main, when it is absent",
			only:  AKSEndpoint, into: func(c *deployment) any { return &c.VersionName },
			text: serviceName, write: `a name such as "blue"`, also: []string{"version", "vn"}},
		{path: "trafficPercentile", flag: "traffic-percentile tp",
			about: "percent of the requests that the version gets; what is left over goes to the default version",
			means: "share of the version in the routers' split",
			only:  AKSEndpoint, into: func(c *deployment) any { return &c.TrafficPercentile },
			number: percent, write: "a percentage such as 20", also: []string{"traffic", "weight", "tp"}},
		{path: "isDefault", ignored: flagOnly},
		{path: "isControlVersionType", ignored: flagOnly},
	}
}

func scalingRules() []rule[DeploymentConfig] {
	const replicas = "a whole number of replicas, such as 2"
	return []rule[DeploymentConfig]{
		{path: "autoScaler.autoscaleEnabled", flag: "autoscale-enabled as",
			about: "whether the number of replicas follows the load; on when numReplicas is absent",
			means: "a HorizontalPodAutoscaler instead of a fixed number of replicas", support: Mapped,
			into:  func(c *deployment) any { return &c.AutoScaler.AutoscaleEnabled },
			write: "true or false without quotes", also: []string{"enabled"}},
		{path: "autoScaler.minReplicas", flag: "autoscale-min-replicas mi",
			about:  "fewest replicas that autoscaling goes down to",
			means:  "minReplicas of the HorizontalPodAutoscaler",
			into:   func(c *deployment) any { return &c.AutoScaler.MinReplicas },
			number: positive, write: replicas, fallback: 1, also: []string{"autoscale_min_replicas"}},
		{path: "autoScaler.maxReplicas", flag: "autoscale-max-replicas ma",
			about:  "most replicas that autoscaling goes up to",
			means:  "maxReplicas of the HorizontalPodAutoscaler",
			into:   func(c *deployment) any { return &c.AutoScaler.MaxReplicas },
			number: positive, write: replicas, fallback: 10, also: []string{"autoscale_max_replicas"}},
		{path: "autoScaler.refreshPeriodInSeconds", flag: "autoscale-refresh-seconds ar",
			about:   "seconds between two looks of the autoscaler",
			means:   "nothing: how often autoscalers look is a setting of the cluster, 15 seconds as a rule",
			support: Warned,
			into:    func(c *deployment) any { return &c.AutoScaler.RefreshPeriodInSeconds },
			number:  positive, write: "whole seconds, such as 1", fallback: 1,
			also: []string{"autoscale_refresh_seconds", "refreshPeriodSeconds"}},
		{path: "autoScaler.targetUtilization", flag: "autoscale-target-utilization at",
			about:   "load in percent that the autoscaler keeps to",
			means:   "averageUtilization of the scoring container's CPU, where Azure ML counted busy replicas",
			support: Mapped,
			into:    func(c *deployment) any { return &c.AutoScaler.TargetUtilization },
			number:  positive, write: "a whole percentage, such as 70", fallback: 70,
			also: []string{"autoscale_target_utilization"}},
		{path: "numReplicas", flag: "num-replicas nr",
			about:  "fixed number of replicas",
			means:  "replicas of the version's Deployment",
			into:   func(c *deployment) any { return &c.NumReplicas },
			number: positive, write: replicas, also: []string{"replicas"}},
	}
}

func resourceRules() []rule[DeploymentConfig] {
	const cores, memory = "cores as a number, such as 0.5", "GB as a number, such as 1.5"
	return []rule[DeploymentConfig]{
		{path: "containerResourceRequirements.cpu", flag: "cpu-cores cc",
			about:  "CPU cores that one replica asks for",
			means:  "CPU request of the scoring container, in whole millicores",
			into:   func(c *deployment) any { return &c.ContainerResourceRequirements.CPU },
			number: positive, write: cores, fallback: 0.1, also: []string{"cpu_cores"}},
		{path: "containerResourceRequirements.cpuLimit", flag: "cpu-cores-limit ccl",
			about:  "CPU cores that one replica may use at most",
			means:  "CPU limit of the scoring container, in whole millicores",
			into:   func(c *deployment) any { return &c.ContainerResourceRequirements.CPULimit },
			number: notNegative, write: cores, also: []string{"cpu_cores_limit"}},
		{path: "containerResourceRequirements.memoryInGB", flag: "memory-gb gb",
			about: "memory in GB that one replica asks for",
			means: "memory request of the scoring container, 1 GB taken as 1 GiB", support: Mapped,
			into:   func(c *deployment) any { return &c.ContainerResourceRequirements.MemoryInGB },
			number: positive, write: memory, fallback: 0.5, also: []string{"memory_gb", "memory"}},
		{path: "containerResourceRequirements.memoryInGBLimit", flag: "memory-gb-limit gbl",
			about: "memory in GB that one replica may use at most",
			means: "memory limit of the scoring container, 1 GB taken as 1 GiB", support: Mapped,
			into:   func(c *deployment) any { return &c.ContainerResourceRequirements.MemoryInGBLimit },
			number: notNegative, write: memory, also: []string{"memory_gb_limit", "memoryLimit"}},
		{path: "gpuCores", flag: "gpu-cores gc",
			about:  "GPUs of one replica",
			means:  "limit of nvidia.com/gpu; --accelerator asks for devices of another kind",
			into:   func(c *deployment) any { return &c.GPUCores },
			number: notNegative, write: "a whole number of devices, such as 1 (Kubernetes gives out whole ones)", fallback: 0,
			also: []string{"gpu", "gpus", "containerResourceRequirements.gpu"}},
	}
}

func authRules() []rule[DeploymentConfig] {
	const yesNo = "true or false without quotes"
	return []rule[DeploymentConfig]{
		{path: "authEnabled", flag: "auth-enabled ae",
			about: "whether callers need one of the endpoint's two keys; on unless token auth is",
			means: "the routers ask for one of the two keys in the Secret ENDPOINT-keys",
			into:  func(c *deployment) any { return &c.AuthEnabled },
			write: yesNo, fallback: true},
		{path: "tokenAuthEnabled", flag: "token-auth-enabled",
			about: "whether callers need a token",
			means: "refused when true: tokens are not served, keys are", support: Warned,
			into:  func(c *deployment) any { return &c.TokenAuthEnabled },
			write: yesNo, fallback: false, also: []string{"aadAuthEnabled"}},
		{path: "keys.primaryKey", flag: "primary-key kp",
			about: "first key, instead of a generated one",
			means: "first key in the Secret ENDPOINT-keys when that is made; one that is there keeps its keys",
			into:  func(c *deployment) any { return &c.Keys.PrimaryKey },
			write: "the key in quotes", secret: true},
		{path: "keys.secondaryKey", flag: "secondary-key ks",
			about: "second key, instead of a generated one",
			means: "second key in the Secret ENDPOINT-keys when that is made; one that is there keeps its keys",
			into:  func(c *deployment) any { return &c.Keys.SecondaryKey },
			write: "the key in quotes", secret: true},
		{path: "dataCollection.storageEnabled", flag: "collect-model-data md",
			about:   "whether the model's inputs and outputs are collected",
			means:   "AML_MODEL_DC_STORAGE_ENABLED, if environmentVariables have AML_MODEL_DC_STORAGE; else a warning",
			support: Mapped,
			into:    func(c *deployment) any { return &c.DataCollection.StorageEnabled },
			write:   yesNo, fallback: false, also: []string{"collect_model_data"}},
		{path: "appInsightsEnabled", flag: "enable-app-insights ai",
			about:   "whether requests are logged to Application Insights",
			means:   "AML_APP_INSIGHTS_ENABLED, if environmentVariables have AML_APP_INSIGHTS_KEY; else a warning",
			support: Mapped,
			into:    func(c *deployment) any { return &c.AppInsightsEnabled },
			write:   yesNo, fallback: false, also: []string{"enable_app_insights"}},
	}
}

func requestRules() []rule[DeploymentConfig] {
	return []rule[DeploymentConfig]{
		{path: "scoringTimeoutMs", flag: "scoring-timeout-ms tm",
			about:  "milliseconds that scoring may take before the answer is 504",
			means:  "time-out of the limiter beside the scoring container, and SCORING_TIMEOUT_MS",
			into:   func(c *deployment) any { return &c.ScoringTimeoutMs },
			number: positive, write: "whole milliseconds, such as 60000", fallback: 60000},
		{path: "maxConcurrentRequestsPerContainer", flag: "replica-max-concurrent-requests rm",
			about:  "requests that reach one replica at once; more wait in its queue",
			means:  "requests that the limiter lets through to the scoring container",
			into:   func(c *deployment) any { return &c.MaxConcurrentRequestsPerContainer },
			number: positive, write: "a whole number of requests, such as 1", fallback: 1,
			also: []string{"replica_max_concurrent_requests", "maxConcurrentRequests"}},
		{path: "maxQueueWaitMs", flag: "max-request-wait-time mr",
			about:  "milliseconds that a request waits in the queue before the answer is 503",
			means:  "time that the limiter queues a request",
			into:   func(c *deployment) any { return &c.MaxQueueWaitMs },
			number: positive, write: "whole milliseconds, such as 500", fallback: 500,
			also: []string{"max_request_wait_time", "maxRequestWaitTime"}},
	}
}

func probeRules() []rule[DeploymentConfig] {
	const seconds, times = "whole seconds, such as 10", "a whole number, such as 3"
	return []rule[DeploymentConfig]{
		{path: "livenessProbeRequirements.periodSeconds", flag: "period-seconds ps",
			about: "seconds between two liveness probes",
			means: "periodSeconds of the liveness probe, which only asks whether the server listens", support: Mapped,
			into:   func(c *deployment) any { return &c.LivenessProbeRequirements.PeriodSeconds },
			number: positive, write: seconds, fallback: 10},
		{path: "livenessProbeRequirements.initialDelaySeconds", flag: "initial-delay-seconds id",
			about:   "seconds from the start to the first liveness probe",
			means:   "initialDelaySeconds of the liveness probe, counted from the end of init(); init() gets as long, too",
			support: Mapped,
			into:    func(c *deployment) any { return &c.LivenessProbeRequirements.InitialDelaySeconds },
			number:  positive, write: "whole seconds, such as 310", fallback: 310},
		{path: "livenessProbeRequirements.timeoutSeconds", flag: "timeout-seconds ts",
			about:  "seconds that a liveness probe may take",
			means:  "timeoutSeconds of the liveness probe",
			into:   func(c *deployment) any { return &c.LivenessProbeRequirements.TimeoutSeconds },
			number: positive, write: "whole seconds, such as 2", fallback: 2},
		{path: "livenessProbeRequirements.successThreshold", flag: "success-threshold st",
			about: "liveness probes that must succeed after a failure",
			means: "always 1: Kubernetes takes nothing else for a liveness probe", support: Warned,
			into:   func(c *deployment) any { return &c.LivenessProbeRequirements.SuccessThreshold },
			number: positive, write: "1", fallback: 1},
		{path: "livenessProbeRequirements.failureThreshold", flag: "failure-threshold ft",
			about:  "liveness probes that must fail for a replica to be restarted",
			means:  "failureThreshold of the liveness probe",
			into:   func(c *deployment) any { return &c.LivenessProbeRequirements.FailureThreshold },
			number: positive, write: times, fallback: 3},
	}
}
