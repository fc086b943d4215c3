package portal

import (
	"net/http"

	"llmhub/portal/openapi"
)

const (
	getting  = http.MethodGet
	posting  = http.MethodPost
	putting  = http.MethodPut
	deleting = http.MethodDelete
)

// Parameters of the query that several endpoints take.
var (
	paramTenant       = openapi.Parameter{Name: "tenant_id", Description: "Whose; customers see their own tenant's, which is the default.", Example: "ten_4qkz7r2m5x"}
	paramSubscription = openapi.Parameter{Name: "subscription_id", Description: "Of this subscription only."}
	paramAfter        = openapi.Parameter{Name: "after", Description: "The next of the page before."}
	paramLimit        = openapi.Parameter{Name: "limit", Type: "integer", Minimum: 1, Maximum: maxLimit, Description: "Entries of a page; 100 if not given."}
	paramPage         = openapi.Parameter{Name: "page", Type: "integer", Minimum: 1, Maximum: 1_000_000, Description: "Counts from 1; one behind the last gives the last."}
	paramSearch       = openapi.Parameter{Name: "search", Description: "A part of the name, letters of either case being the same."}
)

// endpoints are all there are, in the order of the document.
func (p *Portal) endpoints() []endpoint {
	var all []endpoint
	for _, part := range [][]endpoint{
		p.selfEndpoints(), p.tenantEndpoints(), p.profileEndpoints(), p.catalogEndpoints(), p.subscriptionEndpoints(),
		p.keyEndpoints(), p.targetEndpoints(), p.workloadEndpoints(), p.usageEndpoints(), p.alertEndpoints(), p.operatorEndpoints(),
	} {
		all = append(all, part...)
	}
	return all
}

func (p *Portal) selfEndpoints() []endpoint {
	return []endpoint{
		get("/openapi.json", "getDocument", "This document", p.getDocument).forAudience(anyone),
		get("/me", "getMe", "Who asks, with which rights, and whether they can subscribe", p.getMe),
		get("/personal-tokens", "listPersonalTokens", "The own personal tokens, the newest first", p.listPersonalTokens).forAudience(inSession),
		send(posting, "/personal-tokens", "createPersonalToken", "Make a personal token; it is shown this once", http.StatusCreated, p.createPersonalToken).forAudience(inSession),
		act(posting, "/personal-tokens/{id}/revoke", "revokePersonalToken", "End a personal token", http.StatusOK, p.revokePersonalToken).forAudience(inSession),
	}
}

func (p *Portal) tenantEndpoints() []endpoint {
	return []endpoint{
		get("/tenants", "listTenants", "All tenants", p.listTenants).forAudience(operators).takes(
			openapi.Parameter{Name: "search", Description: "A part of the name or domain, or the beginning of the ID; the answer is one page in order of names."}, paramAfter, paramLimit),
		send(posting, "/tenants", "createTenant", "Make a tenant that nobody can sign in to", http.StatusCreated, p.createTenant).forAudience(operators),
		get("/tenants/{id}", "getTenant", "A tenant", p.getTenant),
		send(posting, "/tenants/{id}/suspend", "suspendTenant", "Refuse all keys of a tenant and all changes by its users", http.StatusOK, p.suspendTenant).forAudience(operators),
		act(posting, "/tenants/{id}/resume", "resumeTenant", "End a suspension", http.StatusOK, p.resumeTenant).forAudience(operators),
		get("/tenants/{id}/users", "listUsers", "The users who have signed in to a tenant", p.listUsers),
		send(putting, "/users/{id}/rights", "setRights", "Set the rights of a user", http.StatusOK, p.setRights).
			says("From the first call on, no user of the tenant but the owner has rights that were not given."),
	}
}

func (p *Portal) profileEndpoints() []endpoint {
	return []endpoint{
		get("/tenants/{id}/profile", "getProfile", "The organization profile of a tenant", p.getProfile),
		send(putting, "/tenants/{id}/profile", "submitProfile", "Submit the profile for review; what is in force stays until then", http.StatusOK, p.submitProfile),
		act(posting, "/tenants/{id}/profile/withdraw", "withdrawProfile", "Take back a change of an approved profile", http.StatusOK, p.withdrawProfile),
		send(posting, "/tenants/{id}/profile/approve", "approveProfile", "Approve what was submitted", http.StatusOK, p.approveProfile).forAudience(operators),
		send(posting, "/tenants/{id}/profile/reject", "rejectProfile", "Reject what was submitted, for a reason that the customer sees", http.StatusOK, p.rejectProfile).forAudience(operators),
		get("/profiles", "listProfiles", "The profiles that wait for their review", p.listProfiles).forAudience(operators).takes(
			openapi.Parameter{Name: "state", Enum: []string{"submitted"}, Description: "The only state that can be listed, and the default."}, paramAfter, paramLimit),
	}
}

func (p *Portal) catalogEndpoints() []endpoint {
	return []endpoint{
		get("/products", "listProducts", "The catalog", p.listProducts).forAudience(anyone).takes(
			openapi.Parameter{Name: "search", Description: "Words that are all to be found in name, summary, description, seller or software."},
			openapi.Parameter{Name: "type", Enum: []string{"cce", "llm"}},
			openapi.Parameter{Name: "licence", Enum: []string{"open-source", "free", "trial", "byol"}},
			openapi.Parameter{Name: "category"}, openapi.Parameter{Name: "seller", Description: "The seller's ID."},
			openapi.Parameter{Name: "sort", Enum: []string{"weight", "name", "new"}},
			paramPage, openapi.Parameter{Name: "per_page", Type: "integer", Minimum: 1, Maximum: 100, Description: "12 if not given."}),
		get("/products/{id}", "getProduct", "A product with its documents", p.getProduct).forAudience(anyone),
		get("/products/{id}/documents/{document}", "getProductDocument", "The text of a document", p.getProductDocument).forAudience(anyone),
		get("/models", "listModels", "The models that the gateway serves, with the prices of today", p.listModels),
	}
}

func (p *Portal) subscriptionEndpoints() []endpoint {
	return []endpoint{
		get("/subscriptions", "listSubscriptions", "Subscriptions, active and cancelled", p.listSubscriptions).takes(paramTenant, paramAfter, paramLimit),
		send(posting, "/subscriptions", "createSubscription", "Subscribe to a product", http.StatusCreated, p.createSubscription).
			says("Customers accept the documents of the product that need it, each with the digest of the text that they have read, and take the models of the product. " +
				"Operators subscribe any tenant without documents, and may choose the models."),
		get("/subscriptions/{id}", "getSubscription", "A subscription, with the evidence of what was accepted", p.getSubscription),
		send(posting, "/subscriptions/{id}/cancel", "cancelSubscription", "Deactivate all keys and cancel, for ever", http.StatusOK, p.cancelSubscription).mayLackBody(),
		send(putting, "/subscriptions/{id}/limits", "setSubscriptionLimits", "Set the limits of a subscription, or of its use of a model", http.StatusOK, p.setSubscriptionLimits).forAudience(operators).
			says("In force for all its keys when the answer comes. A subscription can have limits for 64 models."),
		get("/subscriptions/{id}/keys", "searchKeys", "Keys of a subscription by page, with search", p.searchKeys).takes(
			paramSearch,
			openapi.Parameter{Name: "state", Enum: []string{"active", "deactivated", "expired"}},
			openapi.Parameter{Name: "sort", Enum: []string{"newest", "name"}, Description: "newest if not given."},
			paramPage, openapi.Parameter{Name: "per_page", Type: "integer", Minimum: 1, Maximum: 200, Description: "50 if not given."}),
	}
}

func (p *Portal) keyEndpoints() []endpoint {
	return []endpoint{
		get("/keys", "listKeys", "Keys in order of ID", p.listKeys).takes(paramTenant, paramSubscription, paramAfter, paramLimit),
		send(posting, "/keys", "createKey", "Make a key; it is shown this once", http.StatusCreated, p.createKey),
		get("/keys/{id}", "getKey", "A key", p.getKey),
		send(putting, "/keys/{id}/limits", "setKeyLimits", "Set the limits of a key", http.StatusOK, p.setKeyLimits).
			says("In force when the answer comes. Customers need the right to subscribe."),
		act(posting, "/keys/{id}/deactivate", "deactivateKey", "Deactivate a key, for ever", http.StatusOK, p.deactivateKey),
		get("/keys/{id}/events", "listEvents", "The single requests of a key, newest first", p.listEvents).takes(
			openapi.Parameter{Name: "cursor", Description: "The next of the page before."}, paramLimit).
			says("The operator may have set for how many days single requests are kept; consumption stays."),
	}
}

func (p *Portal) targetEndpoints() []endpoint {
	return []endpoint{
		get("/projects", "listProjects", "The projects whose clusters can be deployed to", p.listProjects).forDeployments(),
		get("/projects/{id}/clusters", "listClusters", "The clusters of a project, available ones first", p.listClusters).forDeployments(),
		get("/projects/{id}/clusters/{cluster}", "getCluster", "Namespaces, storage classes and free resources of a cluster, read live", p.getCluster).forDeployments(),
		get("/products/{id}/form", "getProductForm", "The configuration form of a product that is deployed", p.getProductForm).forDeployments(),
	}
}

const aboutDeploying = "What is wrong with the request is told before anything is changed. The answer comes as soon as the operation is accepted: how it goes on is the " +
	"workload's state, which ends in ready or error."

func (p *Portal) workloadEndpoints() []endpoint {
	return []endpoint{
		get("/workloads", "listWorkloads", "Products that are deployed, the newest first", p.listWorkloads).forDeployments().takes(paramTenant,
			openapi.Parameter{Name: "state", Enum: []string{"ready", "error", "pending", "removed"}, Description: "All but removed if not given."},
			openapi.Parameter{Name: "search", Description: "A part of a name: of product, release, cluster or namespace."},
			paramPage, openapi.Parameter{Name: "per_page", Type: "integer", Minimum: 1, Maximum: 100, Description: "10 if not given."}),
		send(posting, "/workloads", "createWorkload", "Deploy a product to a cluster", http.StatusAccepted, p.createWorkload).
			forDeployments().withBodyUpTo(maxDeploymentBytes).says(aboutDeploying),
		send(posting, "/workloads/review", "reviewWorkload", "What deploying a product would do, without doing it", http.StatusOK, p.reviewWorkload).
			forDeployments().withBodyUpTo(maxDeploymentBytes).says("Takes the body that deploys. Nothing is changed in the cluster."),
		get("/workloads/{id}", "getWorkload", "A workload, with what is done to it and was done", p.getWorkload).forDeployments(),
		get("/workloads/{id}/resources", "listResources", "How the objects of a workload are doing, read live", p.listResources).forDeployments(),
		get("/workloads/{id}/revisions", "listRevisions", "The revisions of a workload that the cluster holds, the newest first", p.listRevisions).forDeployments(),
		send(posting, "/workloads/{id}/upgrade", "upgradeWorkload", "Upgrade to the product's current version, with other values where they are given", http.StatusAccepted, p.upgradeWorkload).
			forDeployments().withBodyUpTo(maxDeploymentBytes).mayLackBody().says(aboutDeploying),
		send(posting, "/workloads/{id}/upgrade/review", "reviewUpgrade", "What an upgrade would change, without changing it", http.StatusOK, p.reviewUpgrade).
			forDeployments().withBodyUpTo(maxDeploymentBytes).mayLackBody(),
		send(posting, "/workloads/{id}/rollback", "rollbackWorkload", "Go back to a revision", http.StatusAccepted, p.rollbackWorkload).forDeployments(),
		send(posting, "/workloads/{id}/uninstall", "uninstallWorkload", "Remove a workload from its cluster; what it keeps on volumes may be lost", http.StatusAccepted, p.uninstallWorkload).forDeployments(),
		act(posting, "/workloads/{id}/continue", "continueWorkload", "Go on with an operation whose access to the cluster has ended, with a token that holds", http.StatusAccepted, p.continueWorkload).forDeployments(),
	}
}

func (p *Portal) alertEndpoints() []endpoint {
	return []endpoint{
		get("/alerts", "listAlerts", "Budgets that have been used up to 50, 80 or 100 %, the newest month first", p.listAlerts).takes(paramTenant, paramAfter, paramLimit),
		act(posting, "/alerts/{id}/dismiss", "dismissAlert", "Put an alert away, so that pages show it no more", http.StatusOK, p.dismissAlert),
		get("/webhook", "getWebhook", "Where alerts are sent", p.getWebhook).takes(paramTenant),
		send(putting, "/webhook", "setWebhook", "Set where alerts are sent; the secret that signs them is shown this once", http.StatusOK, p.setWebhook).takes(paramTenant).
			says("Calls are signed as Standard Webhooks (standardwebhooks.com) has it: webhook-signature is \"v1,\" and the base64 of HMAC-SHA-256 over webhook-id, webhook-timestamp and the body, joined by dots."),
		act(deleting, "/webhook", "removeWebhook", "Send alerts no more", http.StatusOK, p.removeWebhook).takes(paramTenant),
		act(posting, "/webhook/test", "testWebhook", "Call the webhook with a message of type webhook.test", http.StatusOK, p.testWebhook).takes(paramTenant),
	}
}

func (p *Portal) usageEndpoints() []endpoint {
	return []endpoint{
		get("/usage", "getUsage", "What was used, the total last", p.usage).takes(
			openapi.Parameter{Name: "month", Description: "The current month if no days are given either.", Example: "2026-11"},
			openapi.Parameter{Name: "from", Format: "date", Description: "The first day; together with to."},
			openapi.Parameter{Name: "to", Format: "date", Description: "The last day."},
			paramTenant, paramSubscription, openapi.Parameter{Name: "key_id", Description: "Of this key only."},
			openapi.Parameter{Name: "by", Description: "What rows are kept apart by: key, model, day, month, separated by commas; key if not given, and the total alone if empty.", Example: "key,model"}),
	}
}

func (p *Portal) operatorEndpoints() []endpoint {
	return []endpoint{
		get("/upstreams", "listUpstreams", "How the model servers are doing", p.listUpstreams).forAudience(operators),
		send(posting, "/upstreams/drain", "drainUpstream", "Have a deployment take no new requests, or end that", http.StatusOK, p.drainUpstream).forAudience(operators).
			says("Requests under way go on. It holds until it is ended, over restarts, and in all processes that share a database. What the configuration drains stays so."),
		get("/operators", "listOperators", "The accounts of operators", p.listOperators).forAudience(administrators).takes(paramAfter, paramLimit),
		send(posting, "/operators", "createOperator", "Make an account of an operator", http.StatusCreated, p.createOperator).forAudience(administrators),
		act(posting, "/operators/{id}/disable", "disableOperator", "End an account, for ever", http.StatusOK, p.disableOperator).forAudience(administrators),
		send(posting, "/operators/{id}/password", "setOperatorPassword", "Set another password, which ends the account's sessions", http.StatusOK, p.setOperatorPassword).forAudience(administrators),
		get("/audit", "listChanges", "What was changed, newest first", p.listChanges).
			says("Customers with the right Reports see what was changed in their own tenant.").
			takes(paramTenant,
				openapi.Parameter{Name: "actor_id", Description: "By this user or operator; for operators."},
				openapi.Parameter{Name: "action", Description: "Of this kind, such as key.create; for operators."},
				paramAfter, paramLimit),
	}
}
