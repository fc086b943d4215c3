// Package deployer brings products of the catalog to Kubernetes clusters of the customers, and keeps what became of them.
//
// A deployment begins as a Draft that one user fills in step by step, is reviewed by a dry run, and becomes a Workload: a
// document with a state machine, worked on by one process at a time. What a call returned decides nothing: a workload is
// what its cluster holds. The package knows no Helm, no Kubernetes client and no OTC; those are behind Releases, Kubernetes
// and Source.
//
// Credentials, licences and access to clusters are sealed or in memory only, and erased when they have been used.
package deployer
