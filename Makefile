# Forwards every task to cargo xtask, with the arguments in ARGS: make bench ARGS=--release

ARGS =
TASKS := help run test test-sdk test-agents test-browser test-api check fmt lint web manifests openapi build dist deps db-migrate migrate up down logs docker-build prices bench soak fuzz clean

$(TASKS): ; @cargo xtask $(TASK) $(ARGS)

.DEFAULT_GOAL := help
.PHONY: $(TASKS)

$(TASKS): TASK = $@
run: TASK = dev
db-migrate: TASK = migrate
