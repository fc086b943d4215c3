package proxy

import "testing"

func TestLiveListTakesOutOnce(t *testing.T) {
	var l liveList
	l.init()
	a, b := &exchange{}, &exchange{}
	if !l.add(a, 2) || !l.add(b, 2) || l.add(&exchange{}, 2) {
		t.Error("not two of two")
	}
	l.remove(a)
	l.remove(a)
	l.remove(&exchange{})
	if n := l.count(); n != 1 {
		t.Errorf("%d are left, want 1", n)
	}
	l.each(func(x *exchange) {
		if x != b {
			t.Error("another one is left")
		}
	})
}
