// SPDX-License-Identifier: Apache-2.0
// Copyright The kubectl-aml Authors

package image

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	// deletedOwner claims the number of a deleted model, so that it is not given
	// to another one.
	deletedOwner = "deleted"

	claimRounds = 100
)

// HighestVersion is the highest number that anything is registered with.
const HighestVersion = 999_999_999

var versionTag = regexp.MustCompile(`^[1-9][0-9]{0,8}$`)

// numbers are the versions of what a store has, and the claims to others, as the
// tags tell.
type numbers struct {
	versions []int
	claims   claims
}

func readNumbers(tags []string) numbers {
	n := numbers{claims: slices.DeleteFunc(readClaims(tags), func(c claim) bool { return !versionTag.MatchString(c.of) })}
	for _, tag := range tags {
		if versionTag.MatchString(tag) {
			number, _ := strconv.Atoi(tag) // the pattern takes digits that fit
			n.versions = append(n.versions, number)
		}
	}
	slices.Sort(n.versions)
	return n
}

// next is the first number that is above all others.
func (n numbers) next() int {
	highest := 0
	for _, v := range n.versions {
		highest = max(highest, v)
	}
	for _, c := range n.claims {
		number, _ := strconv.Atoi(c.of) // readNumbers takes no others
		highest = max(highest, number)
	}
	return highest + 1
}

// free is wanted if nobody has that number or may get it, else next.
func (n numbers) free(wanted int) int {
	if wanted < 1 || wanted > HighestVersion || slices.Contains(n.versions, wanted) || n.wanted(wanted, "") {
		return n.next()
	}
	return wanted
}

// after is the nth number above number that nobody but owner wants or has.
func (n numbers) after(number, nth int, owner string) int {
	for ; nth > 0; nth-- {
		for number++; slices.Contains(n.versions, number) || n.wanted(number, owner); number++ {
			continue
		}
	}
	return number
}

func (n numbers) wanted(number int, owner string) bool {
	return slices.ContainsFunc(n.claims.contenders(strconv.Itoa(number)), func(o string) bool { return o != owner })
}

// claimNumber takes a number that nobody else has or will get: who does not get
// one goes on to another, so that none is left out. The first that is tried is
// wanted, or with 0 the one above all others. release takes the claims away
// as far as the registry allows it, and is to be called when the number's tag is
// written, or will not be.
func (s store) claimNumber(ctx context.Context, wanted int) (
	number int, release func(context.Context), err error,
) {
	owner := newOwner()
	var made claims
	release = func(ctx context.Context) { s.release(ctx, made) }
	seen, err := s.look(ctx)
	if err != nil {
		return 0, nil, err
	}
	number = seen.free(wanted)
	for range claimRounds {
		if number > HighestVersion {
			release(context.WithoutCancel(ctx))
			return 0, nil, fmt.Errorf("cannot %s: version %d is there, and none is above it: take another name, or a version "+
				"that is free", s.doing, HighestVersion)
		}
		mine := claim{of: strconv.Itoa(number), owner: owner}
		made = append(made, mine)
		next, err := s.tryNumber(ctx, number, mine)
		if err != nil {
			release(context.WithoutCancel(ctx))
			return 0, nil, err
		}
		if next == number {
			return number, release, nil
		}
		number = next
	}
	release(context.WithoutCancel(ctx))
	return 0, nil, fmt.Errorf("cannot %s: too many do at once: try again", s.doing)
}

// tryNumber returns the number when it is taken for mine, else the next to try.
func (s store) tryNumber(ctx context.Context, number int, mine claim) (int, error) {
	if err := s.write(ctx, mine); err != nil {
		return 0, err
	}
	out, err := s.settle(ctx, mine)
	if err != nil || out.won {
		return number, err
	}
	return readNumbers(out.tags).after(number, max(out.rank, 1), mine.owner), s.write(ctx, mine.leaving())
}

// look lists the numbers. A repository that is not there has none.
func (s store) look(ctx context.Context) (numbers, error) {
	tags, err := s.tags(ctx)
	return readNumbers(tags), err
}

// listed writes the last few of some numbers.
func listed(versions []int) string {
	const most = 10
	var text []string
	if len(versions) > most {
		text, versions = []string{"…"}, versions[len(versions)-most:]
	}
	for _, v := range versions {
		text = append(text, strconv.Itoa(v))
	}
	return strings.Join(text, ", ")
}
