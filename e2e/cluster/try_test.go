package cluster

import ("testing";"os";"fmt")

func TestTryImages(t *testing.T) {
	opts := Options{Progress: os.Stderr}
	s, err := open(t.Context(), opts)
	if err != nil { t.Fatal(err) }
	defer s.close()
	if err := s.start(t.Context()); err != nil { t.Fatal(err) }
	for _, m := range []string{"k","p"} {
		made := s.book.BuildKit(); if m=="p" { made = s.book.Python() }
		ref, err := s.push(t.Context(), made)
		fmt.Println(ref, err)
	}
}
