// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package acr

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	acr "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerregistry/armcontainerregistry"
)

const (
	// grace is how long a request for a run, and one to cancel it, may go on after
	// the command has ended.
	grace = 10 * time.Second
	// looks are how often the rest of a log is looked for when its run has ended.
	looks = 5
)

// runs are those of one registry.
type runs struct {
	*tasks
	group, name string
	registries  *acr.RegistriesClient
	runs        *acr.RunsClient
}

func newRuns(t *tasks, at *arm.ResourceID) (*runs, error) {
	cred, settings := t.client.ARM()
	clients, err := acr.NewClientFactory(at.SubscriptionID, cred, settings)
	if err != nil {
		return nil, err
	}
	return &runs{tasks: t, group: at.ResourceGroupName, name: at.Name,
		registries: clients.NewRegistriesClient(), runs: clients.NewRunsClient()}, nil
}

func (r *runs) explain(err error) error {
	return unavailable(r.client.Explain(err, "registry "+r.repository.RegistryStr()))
}

// upload brings the context to Azure, and returns its path there.
func (r *runs) upload(ctx context.Context, text string) (string, error) {
	packed, err := source(text)
	if err != nil {
		return "", err
	}
	to, err := r.registries.GetBuildSourceUploadURL(ctx, r.group, r.name, nil)
	if err != nil {
		return "", r.explain(err)
	}
	if err := r.storage.put(ctx, value(to.UploadURL), packed); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("registry %s: the Dockerfile cannot be uploaded: %s: run the command again",
			r.repository.RegistryStr(), unreachable(err))
	}
	return value(to.RelativePath), nil
}

// schedule begins a run and returns its id. A request whose answer is lost is not
// sent again, since that might begin a second run; and it goes on for a little
// after ctx has ended, since a run without a known id could not be canceled.
func (r *runs) schedule(ctx context.Context, request *acr.EncodedTaskRunRequest) (string, error) {
	going, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(ctx, func() {
		select {
		case <-r.o.Azure.Clock.After(grace):
			stop()
		case <-going.Done():
		}
	})()
	going = policy.WithRetryOptions(going, policy.RetryOptions{
		RetryDelay:  r.o.Azure.RetryDelay,
		ShouldRetry: func(answer *http.Response, err error) bool { return ctx.Err() == nil && notTaken(answer, err) },
	})
	poller, err := r.registries.BeginScheduleRun(going, r.group, r.name, request, nil)
	if ctx.Err() != nil && err != nil {
		return "", ctx.Err()
	}
	if err != nil {
		return "", r.explain(err)
	}
	begun, err := poller.PollUntilDone(going, &runtime.PollUntilDoneOptions{Frequency: max(r.o.Interval, time.Second)})
	if err != nil {
		return "", r.explain(err)
	}
	id := value(begun.Name)
	if begun.Properties != nil && begun.Properties.RunID != nil {
		id = *begun.Properties.RunID
	}
	if id == "" {
		return "", fmt.Errorf("registry %s: Azure's answer names no run: run the command again", r.repository.RegistryStr())
	}
	return id, nil
}

// notTaken tells of a request that did certainly nothing.
func notTaken(answer *http.Response, err error) bool {
	var dial *net.OpError
	if err != nil {
		return errors.As(err, &dial) && dial.Op == "dial"
	}
	return answer.StatusCode == http.StatusTooManyRequests || answer.StatusCode == http.StatusServiceUnavailable
}

// follower gets the log of a run, after clean.
type follower struct {
	tell  func(line string)
	clean func(line string) string
}

// follow tells the log of a run until its end, and returns the digest that it has
// pushed to repository, if Azure knows it.
func (r *runs) follow(ctx context.Context, id string, by follower, repository string) (string, error) {
	var told transcript
	log := &runLog{storage: r.storage,
		link: func(ctx context.Context) (string, error) {
			links, err := r.runs.GetLogSasURL(ctx, r.group, r.name, id, nil)
			if err == nil && value(links.LogLink) == "" {
				err = errors.New("no log yet")
			}
			return value(links.LogLink), err
		},
		line: func(text string) {
			text = by.clean(text)
			told.line(text)
			by.tell(text)
		},
	}
	var status acr.RunStatus
	for {
		now, err := r.runs.Get(ctx, r.group, r.name, id, nil)
		if err != nil {
			return "", r.explain(err)
		}
		p := now.Properties
		if p == nil {
			p = &acr.RunProperties{}
		}
		if value(p.Status) != status {
			status = value(p.Status)
			by.tell("run " + id + ": " + strings.ToLower(string(status)))
		}
		log.read(ctx)
		if ended(status) {
			for n := 1; n < looks && !log.whole && r.wait(ctx) == nil; n++ {
				log.read(ctx)
			}
			log.flush()
			return r.end(id, p, &told, repository)
		}
		if err := r.wait(ctx); err != nil {
			return "", err
		}
	}
}

func (r *runs) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-r.o.Azure.Clock.After(r.o.Interval):
		return nil
	}
}

func ended(s acr.RunStatus) bool {
	switch s {
	case acr.RunStatusQueued, acr.RunStatusStarted, acr.RunStatusRunning, "":
		return false
	}
	return true
}

// cancel ends a run in Azure when the command has ended here.
func (r *runs) cancel(ctx context.Context, id string) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer stop()
	if _, err := r.runs.BeginCancel(ctx, r.group, r.name, id, nil); err != nil && r.o.Azure.Tell != nil {
		r.o.Azure.Tell(fmt.Sprintf("run %s could not be canceled: run az acr task cancel-run -r %s --run-id %s",
			id, r.name, id))
	}
}
