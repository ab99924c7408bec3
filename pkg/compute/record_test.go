// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package compute_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/kubectl-aml/kubectl-aml/pkg/compute"
	"github.com/kubectl-aml/kubectl-aml/pkg/endpoint"
)

// cluster is client-go's fake with what it lacks of a real API server: UIDs,
// preconditions and who the caller is.
func cluster() *fake.Clientset {
	c := fake.NewClientset(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kube-system", UID: "uid-of-cluster"}})
	made := 0
	c.PrependReactor("create", "configmaps", func(a clienttesting.Action) (bool, runtime.Object, error) {
		made++
		a.(clienttesting.CreateAction).GetObject().(*corev1.ConfigMap).UID = types.UID(fmt.Sprintf("uid-%d", made))
		return false, nil, nil
	})
	c.PrependReactor("delete", "configmaps", func(a clienttesting.Action) (bool, runtime.Object, error) {
		d := a.(clienttesting.DeleteAction)
		want := d.GetDeleteOptions().Preconditions
		there, err := c.Tracker().Get(corev1.SchemeGroupVersion.WithResource("configmaps"), d.GetNamespace(), d.GetName())
		if err == nil && want != nil && *want.UID != there.(*corev1.ConfigMap).UID {
			return true, nil, apierrors.NewConflict(corev1.Resource("configmaps"), d.GetName(), errors.New("another UID"))
		}
		return false, nil, nil
	})
	c.PrependReactor("create", "selfsubjectreviews", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, &authenticationv1.SelfSubjectReview{Status: authenticationv1.SelfSubjectReviewStatus{
			UserInfo: authenticationv1.UserInfo{Username: "ada"}}}, nil
	})
	c.PrependReactor("create", "selfsubjectaccessreviews", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, &authorizationv1.SelfSubjectAccessReview{}, nil
	})
	return c
}

// forbid makes the cluster refuse something.
func forbid(c *fake.Clientset, verb, resource string) {
	c.PrependReactor(verb, resource, func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(corev1.Resource(resource), "", errors.New("no"))
	})
}

func lab() compute.Attachment {
	return compute.Attachment{Name: "lab", Provider: compute.Kubernetes, Purpose: endpoint.DevTest, Namespace: "models",
		AttachedFrom: "ada@desk", AttachedAt: time.Date(2026, 8, 24, 10, 0, 0, 0, time.UTC), ToolVersion: "v1"}
}

func attach(t *testing.T, c *fake.Clientset, a compute.Attachment) compute.Record {
	t.Helper()
	r, already, err := compute.Attach(t.Context(), c, a)
	if err != nil || already {
		t.Fatalf("already %v, error %v", already, err)
	}
	return r
}

func TestAttachWritesWhatReadReads(t *testing.T) {
	t.Parallel()
	c := cluster()
	if _, err := compute.Read(t.Context(), c); !errors.Is(err, compute.ErrNotAttached) {
		t.Fatalf("an unattached cluster reads %v", err)
	}
	made := attach(t, c, lab())
	read, err := compute.Read(t.Context(), c)
	if err != nil || read != made {
		t.Fatalf("read %+v, %v; made %+v", read, err, made)
	}
	if made.AttachedBy != "ada" || made.ClusterUID != "uid-of-cluster" || made.UID == "" || made.APIVersion != compute.APIVersion {
		t.Errorf("made %+v", made)
	}
	cm, err := c.CoreV1().ConfigMaps(compute.SystemNamespace).Get(t.Context(), compute.RecordName, metav1.GetOptions{})
	if err != nil || cm.Immutable == nil || !*cm.Immutable {
		t.Errorf("the ConfigMap is not immutable: %v", err)
	}
	role, err := c.RbacV1().Roles(compute.SystemNamespace).Get(t.Context(), "aml-attachment-reader", metav1.GetOptions{})
	if err != nil || fmt.Sprint(role.Rules[0].Verbs, role.Rules[0].ResourceNames) != "[get] [aml-attachment aml-attachment-next]" {
		t.Errorf("the role is %+v, %v", role, err)
	}
	binding, err := c.RbacV1().RoleBindings(compute.SystemNamespace).Get(t.Context(), "aml-attachment-reader", metav1.GetOptions{})
	if err != nil || binding.Subjects[0].Name != "system:authenticated" {
		t.Errorf("the binding is %+v, %v", binding, err)
	}
}

func TestAttachAgain(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*compute.Attachment)
		says   string
	}{
		"the same is no change":             {func(*compute.Attachment) {}, ""},
		"at another time from another desk": {func(a *compute.Attachment) { a.AttachedFrom = "bob@den"; a.AttachedAt = time.Time{} }, ""},
		"another name": {func(a *compute.Attachment) { a.Name = "fab" },
			`the cluster is already attached as "lab" by ada (ada@desk) at 2026-08-24T10:00:00Z (purpose DevTest); ` +
				"detach it first: kubectl aml compute detach -n lab"},
		"another purpose and namespace": {func(a *compute.Attachment) { a.Purpose, a.Namespace = endpoint.FastProd, "x" },
			`the cluster is already attached as "lab" by ada (ada@desk) at 2026-08-24T10:00:00Z (purpose DevTest), ` +
				"with another purpose, namespace; detach it first: kubectl aml compute detach -n lab"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := cluster()
			first := attach(t, c, lab())
			again := lab()
			test.change(&again)
			_, already, err := compute.Attach(t.Context(), c, again)
			if got := message(err); got != test.says || already != (test.says == "") {
				t.Errorf("already %v, says %q", already, got)
			}
			if now, err := compute.Read(t.Context(), c); err != nil || now != first {
				t.Errorf("the record is %+v, %v", now, err)
			}
		})
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestDetachTakesItsOwnRecordOnly(t *testing.T) {
	t.Parallel()
	c := cluster()
	first := attach(t, c, lab())
	if err := compute.Detach(t.Context(), c, first); err != nil {
		t.Fatal(err)
	}
	if err := compute.Detach(t.Context(), c, first); !errors.Is(err, compute.ErrNotAttached) {
		t.Errorf("detached twice: %v", err)
	}
	second := attach(t, c, lab())
	var stale *compute.StaleError
	if err := compute.Detach(t.Context(), c, first); !errors.As(err, &stale) || stale.Found != second {
		t.Errorf("a stale detach: %v", err)
	}
	// Between the look and the deletion, somebody attaches anew.
	third := compute.Record{}
	c.PrependReactor("delete", "configmaps", func(a clienttesting.Action) (bool, runtime.Object, error) {
		if a.(clienttesting.DeleteAction).GetName() == compute.RecordName && third.UID == "" {
			maps := corev1.SchemeGroupVersion.WithResource("configmaps")
			there, _ := c.Tracker().Get(maps, compute.SystemNamespace, compute.RecordName)
			next := there.(*corev1.ConfigMap).DeepCopy()
			next.UID = "uid-third"
			third.UID = next.UID
			return false, nil, c.Tracker().Update(maps, next, compute.SystemNamespace)
		}
		return false, nil, nil
	})
	if err := compute.Detach(t.Context(), c, second); !errors.As(err, &stale) || stale.Found.UID != third.UID {
		t.Errorf("a detach that was overtaken: %v", err)
	}
	if now, err := compute.Read(t.Context(), c); err != nil || now.UID != third.UID {
		t.Errorf("the record is %+v, %v", now, err)
	}
}

func TestReplaceKeepsWhoAttached(t *testing.T) {
	t.Parallel()
	c := cluster()
	first := attach(t, c, lab())
	next := first.Attachment
	next.TLS.Host, next.AttachedBy, next.AttachedAt = "models.example.org", "bob", time.Time{}
	second, err := compute.Replace(t.Context(), c, first, next)
	if err != nil || second.UID != first.UID || second.AttachedBy != "ada" || second.TLS.Host != next.TLS.Host ||
		!second.AttachedAt.Equal(first.AttachedAt) {
		t.Fatalf("replaced by %+v, %v", second, err)
	}
	if now, err := compute.Read(t.Context(), c); err != nil || now != second {
		t.Errorf("the record is %+v, %v", now, err)
	}
	var stale *compute.StaleError
	if _, err := compute.Replace(t.Context(), c, first, next); !errors.As(err, &stale) {
		t.Errorf("replaced what was replaced: %v", err)
	}
	if err := compute.Detach(t.Context(), c, first); err != nil { // the attachment is the same
		t.Error(err)
	}
	if left, _ := c.CoreV1().ConfigMaps(compute.SystemNamespace).List(t.Context(), metav1.ListOptions{}); len(left.Items) != 0 {
		t.Errorf("%d ConfigMaps are left", len(left.Items))
	}
}

// Wherever a change is killed, the next one who looks finds the old record or the
// new one, and never none.
func TestReplaceThatIsKilledLosesNoRecord(t *testing.T) {
	t.Parallel()
	for step := range 6 {
		for name, look := range map[string]func(context.Context, *fake.Clientset) error{
			"read": func(ctx context.Context, c *fake.Clientset) error {
				_, err := compute.Read(ctx, c)
				return err
			},
			"attach": func(ctx context.Context, c *fake.Clientset) error {
				other := lab()
				other.Name = "fab"
				_, _, err := compute.Attach(ctx, c, other)
				if attached := (*compute.AttachedError)(nil); !errors.As(err, &attached) {
					return fmt.Errorf("attached over it: %w", err)
				}
				return nil
			},
		} {
			t.Run(fmt.Sprintf("killed before write %d, then %s", step, name), func(t *testing.T) {
				t.Parallel()
				c := cluster()
				first := attach(t, c, lab())
				next := first.Attachment
				next.TLS.Host = "models.example.org"
				writes, dead := 0, true
				c.PrependReactor("*", "configmaps", func(a clienttesting.Action) (bool, runtime.Object, error) {
					if a.GetVerb() != "get" && a.GetVerb() != "list" {
						writes++
					}
					if dead && writes > step {
						return true, nil, errors.New("killed")
					}
					return false, nil, nil
				})
				_, replaceErr := compute.Replace(t.Context(), c, first, next)
				dead = false
				if err := look(t.Context(), c); err != nil {
					t.Fatalf("after %v: %v", replaceErr, err)
				}
				now, err := compute.Read(t.Context(), c)
				if err != nil || now.UID != first.UID || now.AttachedBy != "ada" {
					t.Errorf("the record is %+v, %v", now, err)
				}
				if err := compute.Detach(t.Context(), c, now); err != nil {
					t.Error(err)
				}
				if _, err := compute.Read(t.Context(), c); !errors.Is(err, compute.ErrNotAttached) {
					t.Errorf("detached, and came back: %v", err)
				}
			})
		}
	}
}

// Who looks while somebody else changes the record sees none, and then nothing of
// the change either, because it is done.
func TestReadDuringAChangeFindsTheRecord(t *testing.T) {
	t.Parallel()
	c := cluster()
	r := attach(t, c, lab())
	maps := corev1.SchemeGroupVersion.WithResource("configmaps")
	there, err := c.Tracker().Get(maps, compute.SystemNamespace, compute.RecordName)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Tracker().Delete(maps, compute.SystemNamespace, compute.RecordName); err != nil {
		t.Fatal(err)
	}
	c.PrependReactor("get", "configmaps", func(a clienttesting.Action) (bool, runtime.Object, error) {
		if a.(clienttesting.GetAction).GetName() == compute.RecordName {
			return false, nil, nil
		}
		return false, nil, c.Tracker().Add(there)
	})
	if now, err := compute.Read(t.Context(), c); err != nil || now.UID != r.UID {
		t.Errorf("the record is %+v, %v", now, err)
	}
}

// Who is held up in the middle of a change may wake up when the cluster is
// somebody else's.
func TestReplaceThatIsOvertakenSaysSo(t *testing.T) {
	t.Parallel()
	c := cluster()
	first := attach(t, c, lab())
	maps := corev1.SchemeGroupVersion.WithResource("configmaps")
	there, err := c.Tracker().Get(maps, compute.SystemNamespace, compute.RecordName)
	if err != nil {
		t.Fatal(err)
	}
	theirs := there.(*corev1.ConfigMap).DeepCopy()
	theirs.UID = "uid-theirs"
	theirs.Data["attachment.json"] = strings.Replace(theirs.Data["attachment.json"], `"lab"`, `"fab"`, 1)
	c.PrependReactor("delete", "configmaps", func(a clienttesting.Action) (bool, runtime.Object, error) {
		if a.(clienttesting.DeleteAction).GetName() != compute.RecordName {
			return false, nil, nil
		}
		return true, nil, c.Tracker().Update(maps, theirs, compute.SystemNamespace)
	})
	next := first.Attachment
	next.TLS.Host = "models.example.org"
	r, err := compute.Replace(t.Context(), c, first, next)
	var stale *compute.StaleError
	if !errors.As(err, &stale) || stale.Found.Name != "fab" {
		t.Errorf("it says %+v, %v", r, err)
	}
}

func TestReadRefusesWhatIsNoRecord(t *testing.T) {
	t.Parallel()
	const good = `{"apiVersion":"aml.dev/v1","name":"lab","provider":"kubernetes","purpose":"DevTest","clusterUID":"u",` +
		`"namespace":"n","attachedBy":"","attachedFrom":"","attachedAt":"2026-08-24T10:00:00Z","toolVersion":""}`
	for name, test := range map[string]struct{ text, says string }{
		"nothing":            {"", "is not JSON"},
		"no JSON":            {"name: lab", "is not JSON"},
		"cut":                {good[:50], "is not JSON"},
		"a later form":       {strings.Replace(good, "v1", "v2", 1), "another version of the plugin"},
		"an unknown field":   {strings.Replace(good, "toolVersion", "tool", 1), `unknown field "tool"`},
		"an unknown purpose": {strings.Replace(good, "DevTest", "Fun", 1), `purpose "Fun"`},
		"an unknown place":   {strings.Replace(good, `"kubernetes"`, `"moon"`, 1), `provider "moon"`},
		"no name":            {strings.Replace(good, `"lab"`, `""`, 1), `compute name ""`},
		"no namespace":       {strings.Replace(good, `"n"`, `""`, 1), "namespace of the endpoints is missing"},
		"no cluster":         {strings.Replace(good, `"u"`, `""`, 1), "clusterUID is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := cluster()
			_, err := c.CoreV1().ConfigMaps(compute.SystemNamespace).Create(t.Context(), &corev1.ConfigMap{
				ObjectMeta: metav1.ObjectMeta{Name: compute.RecordName},
				Data:       map[string]string{"attachment.json": test.text}}, metav1.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			_, err = compute.Read(t.Context(), c)
			if got := message(err); !strings.Contains(got, test.says) || !strings.Contains(got, "aml-system/aml-attachment") {
				t.Errorf("says %q, want %q", got, test.says)
			}
			if _, _, err := compute.Attach(t.Context(), c, lab()); err == nil {
				t.Error("attached over it")
			}
		})
	}
}

func TestWhoMayNotIsToldWhatIsMissing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		forbidden []string
		do        func(context.Context, *fake.Clientset) error
		says      string
	}{
		"read": {[]string{"get configmaps"}, func(ctx context.Context, c *fake.Clientset) error {
			_, err := compute.Read(ctx, c)
			return err
		}, "the cluster does not let you get configmaps in the namespace aml-system: everybody may once a cluster is attached"},
		"attach for the first time": {[]string{"get configmaps", "create namespaces", "create roles", "create rolebindings"},
			func(ctx context.Context, c *fake.Clientset) error {
				_, _, err := compute.Attach(ctx, c, lab())
				return err
			}, "create the namespace aml-system, create roles in the namespace aml-system, create rolebindings in the " +
				"namespace aml-system, create configmaps in the namespace aml-system, delete configmaps"},
		"attach": {[]string{"create configmaps"}, func(ctx context.Context, c *fake.Clientset) error {
			_, _, err := compute.Attach(ctx, c, lab())
			return err
		}, "the cluster does not let you create configmaps in the namespace aml-system: ask whoever runs the cluster for it"},
		"detach": {[]string{"delete configmaps"}, func(ctx context.Context, c *fake.Clientset) error {
			r, _, err := compute.Attach(ctx, c, lab())
			if err != nil {
				return err
			}
			return compute.Detach(ctx, c, r)
		}, "the cluster does not let you delete configmaps in the namespace aml-system: ask"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := cluster()
			for _, f := range test.forbidden {
				verb, resource, _ := strings.Cut(f, " ")
				forbid(c, verb, resource)
			}
			err := test.do(t.Context(), c)
			if got := message(err); !strings.Contains(got, test.says) || !apierrors.IsForbidden(err) {
				t.Errorf("says %q, want %q", got, test.says)
			}
		})
	}
}
