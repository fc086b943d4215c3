// Package metering turns finished requests into ledger entries and ledger entries into charges.
//
// The Recorder commits usage in groups, each group durable and exactly once; prices and reports compute exact amounts
// from sums. The package knows tokens, money and the ledger; it refuses to know HTTP, engines and prompts.
package metering
