# Forwards to cargo xtask, where the tasks are. ARGS goes along: make bench ARGS=--release

ARGS =
TASKS := help run test check fmt lint build deps db-migrate migrate up down logs docker-build prices bench soak clean

$(TASKS): ; @cargo xtask $(TASK) $(ARGS)

.DEFAULT_GOAL := help
.PHONY: $(TASKS)

$(TASKS): TASK = $@
run: TASK = dev
db-migrate: TASK = migrate
