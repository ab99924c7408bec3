// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package main

import (
	"os"
	"path/filepath"

	"github.com/kubectl-aml/kubectl-aml/pkg/amlv1"
)

// ours is what pkg/amlv1 makes of the file that a question is about, in the
// words of Azure ML's request. The findings come with it.
func ours(q question) (answer, amlv1.Findings, error) {
	path := filepath.Join(q.Dir, q.File)
	if q.Kind == "environment" {
		e, findings := amlv1.ReadEnvironmentDirectory(q.File, os.DirFS(path))
		return refusedOr(findings, func() map[string]any { return environmentMap(&e) })
	}
	src, err := os.ReadFile(path)
	if err != nil {
		return answer{}, nil, err
	}
	if q.Kind == "deployment" {
		c, findings := amlv1.ReadDeploymentConfig(q.File, src)
		findings = append(findings, c.Resolve(amlv1.Disk{}, q.Dir)...)
		return refusedOr(findings, func() map[string]any { return request(c) })
	}
	c, findings := amlv1.ReadInferenceConfig(q.File, src)
	var code amlv1.Code
	if findings.Err() == nil {
		var found amlv1.Findings
		code, found = c.Resolve(amlv1.Disk{}, q.Dir)
		findings = append(findings, found...)
	}
	return refusedOr(findings, func() map[string]any { return inferenceMap(c, code) })
}

func refusedOr(findings amlv1.Findings, config func() map[string]any) (answer, amlv1.Findings, error) {
	var a answer
	for _, f := range findings {
		if !f.Warning {
			a.Refused = append(a.Refused, f.String())
		}
	}
	if len(a.Refused) == 0 {
		a.Config = config()
	}
	return a, findings, nil
}

type values = map[string]any

// request is the request that a service is made by.
func request(c amlv1.DeploymentConfig) map[string]any {
	r, l, a := c.ContainerResourceRequirements, c.LivenessProbeRequirements, c.AutoScaler
	out := values{
		"computeType": string(c.ComputeType), "computeName": c.ComputeTargetName, "namespace": c.Namespace,
		"versionName": c.VersionName, "trafficPercentile": c.TrafficPercentile, "numReplicas": c.NumReplicas,
		"autoScaler": values{
			"autoscaleEnabled": a.AutoscaleEnabled, "minReplicas": a.MinReplicas, "maxReplicas": a.MaxReplicas,
			"refreshPeriodInSeconds": a.RefreshPeriodInSeconds, "targetUtilization": a.TargetUtilization,
		},
		"containerResourceRequirements": values{
			"cpu": r.CPU, "cpuLimit": r.CPULimit, "memoryInGB": r.MemoryInGB, "memoryInGBLimit": r.MemoryInGBLimit,
			"gpu": c.GPUCores,
		},
		"dataCollection":     values{"storageEnabled": c.DataCollection.StorageEnabled},
		"appInsightsEnabled": c.AppInsightsEnabled, "authEnabled": c.AuthEnabled, "aadAuthEnabled": c.TokenAuthEnabled,
		"keys":                              values{"primaryKey": c.Keys.PrimaryKey, "secondaryKey": c.Keys.SecondaryKey},
		"scoringTimeoutMs":                  c.ScoringTimeoutMs,
		"maxConcurrentRequestsPerContainer": c.MaxConcurrentRequestsPerContainer,
		"maxQueueWaitMs":                    c.MaxQueueWaitMs,
		"livenessProbeRequirements": values{
			"periodSeconds": l.PeriodSeconds, "initialDelaySeconds": l.InitialDelaySeconds,
			"timeoutSeconds": l.TimeoutSeconds, "successThreshold": l.SuccessThreshold,
			"failureThreshold": l.FailureThreshold,
		},
	}
	if a.AutoscaleEnabled == nil {
		// Azure ML sends the block with the switch only. What can be in it then is 0.
		delete(out, "autoScaler")
	}
	if c.ComputeType == amlv1.ACI {
		addContainerInstance(out, c.ACI)
	}
	if c.ComputeType == amlv1.Local {
		out["port"] = c.Port
	}
	return out
}

func addContainerInstance(out values, a amlv1.ContainerInstance) {
	out["location"], out["dnsNameLabel"], out["cname"] = a.Location, a.DNSNameLabel, a.CName
	out["sslEnabled"] = a.SSLEnabled
	out["encryptionProperties"] = values{"vaultBaseUrl": a.VaultBaseURL, "keyName": a.KeyName,
		"keyVersion": a.KeyVersion}
	out["vnetConfiguration"] = values{"vnetName": a.VnetName, "subnetName": a.SubnetName}
}

// inferenceMap is what travels for an inference config.
func inferenceMap(c amlv1.InferenceConfig, code amlv1.Code) map[string]any {
	old := values{
		"runtime": c.Old.Runtime, "condaFile": code.CondaFile, "extraDockerfileSteps": code.ExtraDockerfileSteps,
		"enableGpu": c.Old.EnableGPU, "cudaVersion": c.Old.CUDAVersion, "baseImage": c.Old.BaseImage,
		"baseImageRegistry": registryMap(c.Old.BaseImageRegistry),
	}
	if c.Environment == nil {
		made, findings := c.OldEnvironment()
		switch {
		case findings.Err() != nil:
			old["form"] = "image"
		case made.Base != amlv1.NoBaseImage:
			old["form"], old["base"] = "environment", string(made.Base)
		}
	}
	environment := environmentMap(c.Environment)
	if variables, ok := environment["environmentVariables"].(map[string]string); ok {
		// The deployment's own values go before those of the file.
		delete(variables, "AZUREML_ENTRY_SCRIPT")
		if code.SourceDirectory != "" {
			delete(variables, "AZUREML_SOURCE_DIRECTORY")
		}
	}
	return values{
		"AZUREML_ENTRY_SCRIPT": code.EntryScript, "AZUREML_SOURCE_DIRECTORY": code.SourceDirectory,
		"directory": code.Directory, "script": code.Script, "environment": environment, "old": old,
	}
}

func environmentMap(e *amlv1.Environment) map[string]any {
	if e == nil {
		return nil
	}
	python := values{
		"userManagedDependencies": e.Python.UserManagedDependencies, "interpreterPath": e.Python.InterpreterPath,
		"condaDependenciesFile": e.Python.CondaDependenciesFile, "baseCondaEnvironment": e.Python.BaseCondaEnvironment,
	}
	if c := e.Python.CondaDependencies; c != nil {
		python["condaDependencies"] = values{"name": c.Name, "channels": c.Channels, "dependencies": c.Dependencies,
			"pip": c.Pip, "prefix": c.Prefix, "variables": c.Variables}
	}
	return values{
		"name": e.Name, "version": e.Version, "environmentVariables": e.Variables, "python": python,
		"docker": values{
			"baseImage": e.Docker.BaseImage, "baseDockerfile": e.Docker.BaseDockerfile,
			"baseImageRegistry": registryMap(e.Docker.BaseImageRegistry), "shmSize": e.Docker.ShmSize,
			"arguments": e.Docker.Arguments,
			"platform":  values{"os": e.Docker.OS, "architecture": e.Docker.Architecture},
		},
		"inferencingStackVersion": e.InferencingStackVersion,
	}
}

func registryMap(r amlv1.ImageRegistry) map[string]any {
	return values{"address": r.Address, "username": r.Username, "password": r.Password}
}
