package identity

import (
	"container/list"
	"crypto/sha256"
	"net/netip"
	"sync"
	"time"

	"llmhub/fault"
)

const (
	// freeFailures are those of an account that nobody has to wait after; the wait is then firstWait, and doubles with each
	// further one up to longestWait.
	freeFailures = 5
	firstWait    = time.Second
	longestWait  = 15 * time.Minute
	// accountMemory is how long failures of an account count.
	accountMemory = 24 * time.Hour
	// addressFailures are those that an address has in each addressWindow.
	addressFailures = 30
	addressWindow   = 10 * time.Minute
	// maxThrottled bounds the accounts, and the addresses, that are remembered: the longest unused is forgotten.
	maxThrottled = 16384
)

// Throttle slows down the guessing of passwords, per account and per address. It is kept in memory: a restart forgets. It
// may be used concurrently.
type Throttle struct {
	now       func() time.Time
	mu        sync.Mutex
	accounts  failures
	addresses failures
}

// NewThrottle returns a throttle that has seen nothing.
func NewThrottle(now func() time.Time) *Throttle {
	return &Throttle{now: now, accounts: newFailures(), addresses: newFailures()}
}

// Check returns nil if an attempt may be made, and else a fault of kind TooMany. The attempt counts as failed until
// Succeeded or Undo is called, so that attempts made at once cannot pass beside each other. An account is the name that
// was given, whether there is one or not.
func (t *Throttle) Check(account, address string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	byAccount, byAddress := t.accounts.find(hashed(account)), t.addresses.find(network(address))
	byAccount.expire(byAccount.last, accountMemory, now)
	byAddress.expire(byAddress.first, addressWindow, now)
	wait := byAccount.last.Add(waitAfter(byAccount.count)).Sub(now)
	if byAddress.count >= addressFailures {
		wait = max(wait, byAddress.first.Add(addressWindow).Sub(now))
	}
	if wait > 0 {
		return tooMany(wait)
	}
	byAccount.charge(now)
	byAddress.charge(now)
	return nil
}

func tooMany(wait time.Duration) error {
	f := fault.New(fault.TooMany, "", "too many attempts to sign in; try again in a while")
	f.RetryAfter = wait
	return f
}

// CheckAddress returns nil if an attempt may be made from an address with what belongs to no account, such as a token,
// and else a fault of kind TooMany. Unlike Check it charges nothing: FailedAddress does.
func (t *Throttle) CheckAddress(address string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	f := t.addresses.find(network(address))
	f.expire(f.first, addressWindow, now)
	if f.count >= addressFailures {
		return tooMany(f.first.Add(addressWindow).Sub(now))
	}
	return nil
}

// FailedAddress says that an attempt from an address has failed.
func (t *Throttle) FailedAddress(address string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	f := t.addresses.find(network(address))
	f.expire(f.first, addressWindow, now)
	f.charge(now)
}

// Failed says that an attempt has failed: the wait for the next runs from now.
func (t *Throttle) Failed(account, _ string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.accounts.find(hashed(account)).last = t.now()
}

// Succeeded says that an attempt has succeeded, which forgets the account's failures but not the address's.
func (t *Throttle) Succeeded(account, address string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.accounts.find(hashed(account)).count = 0
	t.addresses.find(network(address)).undo()
}

// Undo says that an attempt has neither failed nor succeeded.
func (t *Throttle) Undo(account, address string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.accounts.find(hashed(account)).undo()
	t.addresses.find(network(address)).undo()
}

// waitAfter returns how long to wait after so many failures.
func waitAfter(count int) time.Duration {
	if count < freeFailures {
		return 0
	}
	return min(firstWait<<min(count-freeFailures, 20), longestWait)
}

// origin is a hash of an account's name or a network: of one size, whatever was sent.
type origin [sha256.Size]byte

func hashed(s string) origin { return sha256.Sum256([]byte(s)) }

// network returns the origin of an address; those of IPv6 are one within the 64 bits that a customer is given.
func network(address string) origin {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return hashed(address)
	}
	a = a.Unmap().WithZone("")
	if a.Is6() {
		p, _ := a.Prefix(64) // never fails for IPv6
		return hashed(p.String())
	}
	return hashed(a.String())
}

// failure counts the failures of one origin.
type failure struct {
	origin      origin
	count       int
	first, last time.Time
}

// expire forgets what began longer ago than memory.
func (f *failure) expire(since time.Time, memory time.Duration, now time.Time) {
	if now.Sub(since) >= memory {
		f.count = 0
	}
}

func (f *failure) charge(now time.Time) {
	if f.count == 0 {
		f.first = now
	}
	f.count++
	f.last = now
}

func (f *failure) undo() { f.count = max(f.count-1, 0) }

// failures keeps a bounded number of counts, the longest unused of which makes room.
type failures struct {
	byOrigin map[origin]*list.Element
	recent   *list.List // of *failure, the last used first
}

func newFailures() failures { return failures{map[origin]*list.Element{}, list.New()} }

// find returns the count of an origin, made if there is none.
func (f failures) find(o origin) *failure {
	if e := f.byOrigin[o]; e != nil {
		f.recent.MoveToFront(e)
		return e.Value.(*failure)
	}
	if f.recent.Len() >= maxThrottled {
		oldest := f.recent.Remove(f.recent.Back()).(*failure)
		delete(f.byOrigin, oldest.origin)
	}
	one := &failure{origin: o}
	f.byOrigin[o] = f.recent.PushFront(one)
	return one
}
