# Forwards to cargo xtask, where the tasks are.

help run test check fmt lint build deps db-migrate clean migrate: ; @cargo xtask $(TASK)

.DEFAULT_GOAL := help
.PHONY: help run test check fmt lint build deps db-migrate clean migrate

run: TASK = dev
db-migrate: TASK = migrate
help test check fmt lint build deps clean migrate: TASK = $@
