# The commands a newcomer needs. Thin on purpose: the work is in xtask/, where it can be read, typed and tested.

.PHONY: help demo test ci

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' Makefile

demo: ## Build everything and open the demo: no accounts, no services (ARGS="--seed 7" passes flags on)
	@cargo xtask demo $(ARGS)

test: ## Install what the tests need, then run every test (ARGS="-E 'test(park)'" narrows it)
	@cargo xtask test $(ARGS)

ci: ## What continuous integration runs: format, lints, docs, supply chain, tests
	@.ci/run
