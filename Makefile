# SPDX-License-Identifier: MIT
# The commands of apm: make help
.DEFAULT_GOAL := build

# ---- settings: as make variables or from the environment --------------------------------------------------------------

# MODE=release|debug|asan|tsan, each with its own directory. CC=clang works as well.
MODE ?= release
B := build/$(MODE)

CFLAGS_release := -O2 -D_FORTIFY_SOURCE=2
CFLAGS_debug := -O0
CFLAGS_asan := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
CFLAGS_tsan := -O1 -fno-omit-frame-pointer -fsanitize=thread
CFLAGS_analyze := -O1 -fanalyzer
CFLAGS_cost := -O1 -fno-builtin -fsanitize-coverage=trace-pc
CFLAGS_fuzz := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all
ifndef CFLAGS_$(MODE)
$(error MODE is '$(MODE)': use release, debug, asan or tsan)
endif

CPPFLAGS := -Ifcgi -Ifcgi/tel/include -D_GNU_SOURCE -DAPM_VERSION='"$(shell cat fcgi/VERSION)"'
# Of the processor: return addresses and jump targets are checked, where the C library and the kernel do so as well.
HARDENING_x86_64 := -fcf-protection -fstack-clash-protection
HARDENING_aarch64 := -mbranch-protection=standard
# Silent: a compiler may not be there until make deps has run.
ARCH := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine 2>/dev/null)))
# -U: some distributions' compilers define it, in any mode and to another value.
HARDENING := -fPIE -fstack-protector-strong -U_FORTIFY_SOURCE $(HARDENING_$(ARCH))
CFLAGS := -std=gnu11 -g $(HARDENING) -Wall -Wextra -Wshadow -Wvla -Wpointer-arith -Wstrict-prototypes \
	-Wmissing-prototypes -Wwrite-strings -Wformat=2 -Wundef -Werror $(CFLAGS_$(MODE))
LDFLAGS := -pie -Wl,-z,relro,-z,now -Wl,--as-needed
LDLIBS := -lfcgi -ljson-c -lcurl -lsqlite3 -lz -lm -pthread

# Any flavour of libcurl does; two of them cannot be there at once.
RUN_PACKAGES := gcc libc6-dev libfcgi-dev libjson-c-dev 'libcurl4-openssl-dev|libcurl-dev' libsqlite3-dev zlib1g-dev \
	nginx gettext-base curl jq openssl sqlite3 python3
TEST_PACKAGES := libcmocka-dev python3-pytest python3-pytest-xdist python3-requests python3-protobuf \
	python3-prometheus-client python3-hypothesis python3-jsonschema python3-yaml protobuf-compiler prometheus \
	prometheus-alertmanager prometheus-node-exporter strace wrk locales musl-tools spawn-fcgi \
	multiwatch g++ libjansson-dev libmicrohttpd-dev 'pkgconf|pkg-config'
# Each has its tests, which are skipped where it cannot be had: the telemetry library with another compiler, with CMake,
# as a Debian package, and its manual.
WANTED_PACKAGES := clang cmake debhelper lintian mandoc php-fpm
BROWSER_PACKAGES := chromium chromium-driver python3-selenium
LINT_PACKAGES := clang clang-format clang-tidy cppcheck shellcheck flake8 python3 abigail-tools
BENCH_PACKAGES := python3 wrk binutils
FUZZ_PACKAGES := clang libclang-rt-dev

JOBS := -j$(shell nproc)

# stack/native/ctl reads this one; what is given on the command line or in the environment reaches it by itself.
export MODE

# A person's words reach commands as environment variables: no shell reads them, and make leaves a $ in them alone.
WORDS := ID SERVICE LEVEL LINES FOLLOW TRACE WIDE RATE SECONDS FROM RUN_DIR DATA_DIR LOG_DIR SCHEMA_DIR SEED_DIR \
	TLS_CERTIFICATE TLS_KEY BACKUP_DIR
ifneq ($(origin LINES),command line)
unexport LINES # of a terminal, where a shell exports it
endif
$(foreach word,$(WORDS),$(if $(filter command,$(origin $(word))),$(eval override export $(word) := $$(value $(word)))))

LIB_SRC := $(filter-out fcgi/services/%,$(wildcard fcgi/*/*.c))
LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o)
include fcgi/tel/tel.mk
PROGRAMS := $(patsubst fcgi/services/%.c,$(B)/bin/%,$(wildcard fcgi/services/*.c))
UNIT_TESTS := $(patsubst %.c,$(B)/unit/%,$(notdir $(wildcard tests/unit/api/test_*.c tests/unit/internal/test_*.c)))
FUZZ_TARGETS := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

# ---- run -----------------------------------------------------------------------------------------------------------

.PHONY: help
help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { line = sprintf("  make %-19s", $$1); count = split($$2, word, " "); \
		for (i = 1; i <= count; i++) { \
			if (length(line) + length(word[i]) > 78) { print line; line = sprintf("%26s", "") } \
			line = line " " word[i] } print line }' Makefile fcgi/tel/tel.mk $(wildcard stack/stack.mk)
	@echo; stack/native/ctl settings 2>/dev/null || echo "Settings are listed in docs/operations.md, and here once python3 is there (make deps)."

# These say themselves why they refuse; make would add "*** [Makefile:84: status] Error 1". With -q it ends with exit
# code 1 and says nothing; the lines of a recipe that begin with + run all the same. make -n only prints, as ever.
COMMANDS := run restart stop status logs trace backup restore load doctor stack-up stack-up-backends
DRY := $(findstring n,$(filter-out --%,$(firstword -$(MAKEFLAGS))))
ifneq ($(MAKECMDGOALS),)
ifeq ($(DRY)$(filter-out $(COMMANDS),$(MAKECMDGOALS)),)
MAKEFLAGS += -q
endif
endif
DO := $(if $(DRY),,+)@
# A directory, because making one follows no link.
REFUSED := $(or $(TMPDIR),/tmp)/apm-refused.$(shell echo $$PPID)
OR_REFUSE := || mkdir '$(REFUSED)'
PLAIN_MAKE = env -u MAKEFLAGS -u MFLAGS $(MAKE) --no-print-directory

.PHONY: $(COMMANDS) $(COMMANDS:%=do-%)
$(COMMANDS):
	$(if $(wildcard $(REFUSED)),@$(shell rmdir '$(REFUSED)')false)

run: do-run ## set up, build, start what is missing, start anew what has changed, say what to try
do-run:
	$(DO){ $(PLAIN_MAKE) deps && stack/native/ctl check && $(PLAIN_MAKE) $(JOBS) build && stack/native/ctl start; } $(OR_REFUSE)
restart: do-restart ## start parts anew, with the settings that they have: SERVICE=orders, or all
do-restart:
	$(DO)stack/native/ctl restart $${SERVICE:+"$$SERVICE"} $(OR_REFUSE)
stop: do-stop ## answer what was accepted, then end: SERVICE=orders, or everything
do-stop:
	$(DO)stack/native/ctl stop $${SERVICE:+"$$SERVICE"} $(OR_REFUSE)
status: do-status ## a line for each part
do-status:
	$(DO)stack/native/ctl status $(OR_REFUSE)
logs: do-logs ## show and follow the logs: SERVICE=orders LEVEL=warn TRACE=<id> … (stack/native/logs --help)
do-logs:
	$(DO)stack/native/logs $(OR_REFUSE)
trace: do-trace ## print a trace as a waterfall: ID=<X-Trace-Id of an answer>; without one list the newest
do-trace:
	$(DO)stack/native/trace $(OR_REFUSE)

backup: do-backup ## copy the databases, as they are at one moment; everything may run
do-backup:
	$(DO)stack/native/ctl exec db/backup $(OR_REFUSE)
restore: do-restore ## put a backup in the databases' place: FROM=db/backups/TIME, after make stop
do-restore:
	$(DO)stack/native/ctl exec db/restore -- "$$FROM" $(OR_REFUSE)

.PHONY: install
install: build ## below PREFIX (/usr/local), with units for systemd; DESTDIR for packages
	@stack/systemd/install

.PHONY: openapi
openapi: ## write nginx/console/openapi.json anew, after a change of openapi.yaml
	@stack/native/deps python3-yaml
	@cd nginx/console && /usr/bin/python3 -c 'import json, yaml; \
		print(json.dumps(yaml.safe_load(open("openapi.yaml")), ensure_ascii=False, indent=1))' >openapi.json.new && \
		mv openapi.json.new openapi.json

.PHONY: deps deps-test deps-lint deps-bench deps-fuzz
deps: ## install the packages that running needs (nothing when all is there)
	@stack/native/deps $(RUN_PACKAGES)
deps-test:
	@stack/native/deps $(RUN_PACKAGES) $(TEST_PACKAGES) --wanted $(WANTED_PACKAGES) $(BROWSER_PACKAGES)
deps-lint:
	@stack/native/deps $(RUN_PACKAGES) $(LINT_PACKAGES)
deps-bench:
	@stack/native/deps $(RUN_PACKAGES) $(BENCH_PACKAGES)
deps-fuzz:
	@stack/native/deps $(RUN_PACKAGES) $(FUZZ_PACKAGES)

# ---- build ---------------------------------------------------------------------------------------------------------

.PHONY: build
build: $(PROGRAMS) ## compile the programs
	@: # also when all is there already, make has nothing to say

$(B)/libapm.a: $(LIB_OBJ)
	@rm -f $@
	@echo "  AR   $@"; ar rcs $@ $^

# The telemetry library, as others have it: one file, which shows its interface alone.
$(B)/tel/tel.c: $(TEL_FROM)
	@fcgi/tel/amalgamate $(@D) --lines
$(B)/tel/tel.o: $(B)/tel/tel.c $(B)/flags
	@echo "  CC   $<"; $(CC) $(CFLAGS) -c -o $@ $<
$(B)/libtel.a: $(B)/tel/tel.o
	@rm -f $@
	@echo "  AR   $@"; ar rcs $@ $^

# The same for tests, which look inside.
$(B)/libinside.a: $(LIB_OBJ) $(TEL_SRC:%.c=$(B)/%.o)
	@rm -f $@
	@echo "  AR   $@"; ar rcs $@ $^

$(B)/bin/%: $(B)/fcgi/services/%.o $(B)/libapm.a $(B)/libtel.a
	@mkdir -p $(@D)
	@echo "  LINK $@"; $(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# Changes when what is compiled with does.
$(B)/flags: FORCE
	@mkdir -p $(@D); echo '$(subst ','\'',$(CC) $(CPPFLAGS) $(CFLAGS))' >$@.$$$$; \
		if cmp -s $@.$$$$ $@; then rm $@.$$$$; else mv $@.$$$$ $@; fi
FORCE:

$(B)/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	@echo "  CC   $<"; $(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

.SECONDARY:
-include $(shell [ -d $(B) ] && find $(B) -name '*.d')

.PHONY: clean
clean: ## remove what was built
	rm -rf build

# ---- tests ---------------------------------------------------------------------------------------------------------

# Debian's Python has the test packages; another python3 may come first on PATH.
# Most tests wait rather than compute, so more of them than cores run at a time, each file on one worker. -rs: says why a
# test was skipped.
PYTEST := tests/contain /usr/bin/python3 -m pytest -p no:cacheprovider -q -rs -n 6 --dist loadgroup

# Tests that count allocations (tests/unit/lib/count_allocations.h).
WRAP_MALLOC := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
LDFLAGS_test_metrics := $(WRAP_MALLOC) -Wl,--wrap=pthread_mutex_lock
LDFLAGS_test_log := $(WRAP_MALLOC)
LDFLAGS_test_database_faults := $(WRAP_MALLOC)

# Tests that fail system calls (tests/unit/lib/fail_calls.h).
WRAP_CALLS := -Wl,--wrap=open,--wrap=openat,--wrap=read,--wrap=pread,--wrap=__pread_chk,--wrap=write,--wrap=fsync \
	-Wl,--wrap=rename,--wrap=stat,--wrap=fstatat,--wrap=fdopendir,--wrap=readdir
LDFLAGS_test_log_tail_faults := $(WRAP_CALLS) $(WRAP_MALLOC)

# Tests with a time of their own (tests/unit/lib/virtual_clock.h).
WRAP_TIME := -Wl,--wrap=pthread_cond_signal,--wrap=thread_start,--wrap=curl_multi_poll,--wrap=curl_multi_wakeup
LDFLAGS_test_batch := $(WRAP_TIME)
LDFLAGS_test_export := $(WRAP_TIME)
LDFLAGS_test_export_logs := $(WRAP_MALLOC) $(WRAP_TIME)
LDFLAGS_test_fork := $(WRAP_TIME)
LDFLAGS_test_fork_export := $(WRAP_TIME)
LDFLAGS_test_log_file := $(WRAP_TIME)
LDFLAGS_test_log_metrics := $(WRAP_TIME)
LDFLAGS_test_log_sink := $(WRAP_TIME)
LDFLAGS_test_metric_reader := $(WRAP_TIME)
LDFLAGS_test_otlp_http := $(WRAP_TIME)
LDFLAGS_test_outbox := $(WRAP_TIME)
LDFLAGS_test_queue := $(WRAP_TIME)
LDFLAGS_test_trace_table := $(WRAP_TIME)
LDFLAGS_test_span_shipper := $(WRAP_TIME)
LDFLAGS_test_span_shipper_kill := $(WRAP_TIME)
LDFLAGS_test_telemetry := $(WRAP_MALLOC) $(WRAP_TIME)
LDFLAGS_test_thread := $(WRAP_TIME)

# The tests of the public headers are in api/, those that look inside in internal/, what they share is in lib/.
$(B)/tests/unit/%.o: private CPPFLAGS += -Itests/unit/lib
# A fixture is linked where it is used, so one that defines a __wrap_ asks for the --wrap of it.
$(B)/libfixtures.a: $(patsubst %.c,$(B)/%.o,$(wildcard tests/unit/lib/*.c))
	@rm -f $@
	@echo "  AR   $@"; ar rcs $@ $^
define LINK_UNIT_TEST
	@mkdir -p $(@D)
	@echo "  LINK $@"; $(CC) $(CFLAGS) $(LDFLAGS) $(LDFLAGS_$*) -o $@ \
		-Wl,--start-group $^ -Wl,--end-group -lcmocka $(LDLIBS)
endef
$(B)/unit/%: $(B)/tests/unit/api/%.o $(B)/libfixtures.a $(B)/libinside.a
	$(LINK_UNIT_TEST)
$(B)/unit/%: $(B)/tests/unit/internal/%.o $(B)/libfixtures.a $(B)/libinside.a
	$(LINK_UNIT_TEST)

.PHONY: unit-tests
unit-tests: $(UNIT_TESTS)

.PHONY: test
test: ## set up, build and run every test
	@$(MAKE) --no-print-directory deps-test
	@for mode in release asan tsan; do \
		echo "building MODE=$$mode"; $(MAKE) --no-print-directory -s $(JOBS) MODE=$$mode build unit-tests fuzz-replay || exit 1; done
	@echo "building MODE=cost"; $(MAKE) --no-print-directory -s $(JOBS) MODE=cost fuzz-replay
	@$(PYTEST) tests

# Each unit as it will run, and of whole systems what says most in a second.
CHECKS := tests/test_documents.py tests/unit tests/integration/test_api.py $(addprefix tests/integration/test_traces.py::test_, \
	the_tree_of_an_order children_nest_in_time_in_every_order an_unknown_user_makes_a_422 a_path_without_a_route) \
	$(addprefix tests/integration/test_lifecycle.py::test_, stop_and_start_keep_what_was_stored status \
	the_databases_are_durable_and_sound a_part_that_is_missing_is_started)
.PHONY: check
check: ## the most telling tests, in half a minute: after each change
	@stack/native/deps $(RUN_PACKAGES) $(TEST_PACKAGES)
	@$(MAKE) --no-print-directory -s $(JOBS) MODE=release build unit-tests
	@UNIT_MODES=release MODE=release $(PYTEST) $(CHECKS)

# A target is tests/fuzz/fuzz_NAME.c, its inputs are tests/fuzz/corpus/NAME/. Without libFuzzer (MODE other than fuzz) it
# is a program that replays inputs; fuzz-replay builds these, tests/fuzz/test_replay.py runs them. With MODE=fuzz and
# MODE=cost a target also judges what an input costs (tests/fuzz/cost.h).
COST := $(B)/tests/fuzz/cost.o
WRAP_COST := $(WRAP_MALLOC) -Wl,--wrap=free,--wrap=LLVMFuzzerTestOneInput
WRAP_STEPS := -Wl,--wrap=memcpy,--wrap=memmove,--wrap=memset,--wrap=memcmp,--wrap=strlen
FUZZ_LINK_fuzz := $(COST) $(WRAP_COST) -fsanitize=fuzzer
FUZZ_LINK_cost := $(COST) $(WRAP_COST) $(WRAP_STEPS)
REPLAY := $(if $(filter fuzz,$(MODE)),,$(B)/tests/fuzz/replay.o)
$(B)/fuzz/fuzz_traceql $(B)/fuzz/fuzz_otlp_request: $(B)/tests/unit/lib/trace_request.o
$(B)/fuzz/%: $(B)/tests/fuzz/%.o $(REPLAY) $(B)/libinside.a $(if $(FUZZ_LINK_$(MODE)),$(COST))
	@mkdir -p $(@D)
	@echo "  LINK $@"; $(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter-out $(COST),$^) $(FUZZ_LINK_$(MODE)) $(LDLIBS)
$(COST): CFLAGS := $(filter-out -fsanitize-coverage=trace-pc,$(CFLAGS)) $(if $(filter cost,$(MODE)),-DCOUNT_STEPS)

.PHONY: fuzz-replay fuzz-run fuzz fuzz-short
fuzz-replay: $(FUZZ_TARGETS)

FUZZ_SECONDS ?= 60
fuzz-run: $(FUZZ_TARGETS)
	@for target in $(FUZZ_TARGETS:$(B)/fuzz/fuzz_%=%); do \
		mkdir -p $(B)/corpus/$$target; \
		echo "fuzzing $$target for $(FUZZ_SECONDS) s"; \
		$(B)/fuzz/fuzz_$$target -max_total_time=$(FUZZ_SECONDS) -max_len=20000 -timeout=10 -verbosity=0 \
			-print_final_stats=1 -artifact_prefix=$(B)/ $(B)/corpus/$$target tests/fuzz/corpus/$$target \
			>$(B)/$$target.log 2>&1 || { cat $(B)/$$target.log; exit 1; }; \
		sed -n 's/^stat::number_of_executed_units: */  inputs: /p' $(B)/$$target.log; done

fuzz: ## let clang's libFuzzer search every target for FUZZ_SECONDS (60)
	@$(MAKE) --no-print-directory deps-fuzz
	@$(MAKE) --no-print-directory -s $(JOBS) MODE=fuzz CC=clang fuzz-replay
	@$(MAKE) --no-print-directory MODE=fuzz CC=clang fuzz-run

# For CI: a little of it.
fuzz-short:
	@$(MAKE) --no-print-directory FUZZ_SECONDS=3 fuzz

# A short variant of each is part of make test. ATTACK_SEED=n: the malformed requests of an earlier run.
.PHONY: attack
attack: ## try to break it for some minutes: kills, malformed requests, bad collectors, failing disks, load
	@$(MAKE) --no-print-directory deps-test
	@$(MAKE) --no-print-directory -s $(JOBS) MODE=release build unit-tests
	@$(MAKE) --no-print-directory MODE=release fault-walks
	@ATTACK_SECONDS=60 COMMAND_ROUNDS=$${COMMAND_ROUNDS:-200} ATTACK_REQUESTS=$${ATTACK_REQUESTS:-20000} ATTACK_SEED=$${ATTACK_SEED:-$$(date +%s)} \
		$(PYTEST) -n 0 tests/attack

# Every failure of system calls, memory, SQLite's disk and power, one by one. FAULT_STEP=n: each nth.
.PHONY: fault-walks
fault-walks: unit-tests
	@for walk in $(filter %_faults,$(UNIT_TESTS)); do \
		FAULT_STEP=$${FAULT_STEP:-1} $$walk 2>$$walk.log || { grep -v '^{' $$walk.log; exit 1; }; done

# tests/bench/bench.py says what is measured, and how. QUICK=1: one short round, that it works.
LDFLAGS_bench_micro := $(WRAP_MALLOC)
$(B)/bench/micro: $(B)/tests/unit/lib/count_allocations.o
$(B)/bench/%: $(B)/tests/bench/%.o $(B)/libinside.a
	@mkdir -p $(@D)
	@echo "  LINK $@"; $(CC) $(CFLAGS) $(LDFLAGS) $(LDFLAGS_bench_$*) -o $@ $^ $(LDLIBS)

$(B)/bench/count_sync.so: tests/bench/count_sync.c
	@mkdir -p $(@D)
	@echo "  LINK $@"; $(CC) $(CPPFLAGS) $(CFLAGS:-fPIE=-fPIC) -shared -o $@ $< -ldl

.PHONY: bench bench-build
bench: ## measure what telemetry costs, what the services reach (QUICK=1: that it works)
	@$(MAKE) --no-print-directory deps-bench
	@$(MAKE) --no-print-directory $(JOBS) MODE=release bench-build
	@/usr/bin/python3 tests/bench/bench.py
bench-build: build $(B)/bench/micro $(B)/bench/bare $(B)/bench/count_sync.so

# ---- lint ----------------------------------------------------------------------------------------------------------

# Without git's list (an unpacked archive, or another user's clone) every file.
C_FILES = $(or $(shell git ls-files '*.c' '*.h' 2>/dev/null),$(shell find fcgi tests -name '*.[ch]'))
# Each version of clang-format lays a few things out in its own way; Debian 12's is the one that judges.
CLANG_FORMAT := 14
SHELL_FILES := db/backup stack/alertmanager/alert-log $(wildcard stack/container/*) stack/native/deps fcgi/tel/amalgamate stack/systemd/install \
	nginx/drain nginx/render tests/lib/boot .ci/run fcgi/tel/examples/cron_job.sh
PY_FILES = $(or $(shell git ls-files '*.py' 2>/dev/null),$(shell find tests stack -name '*.py')) db/restore tests/contain \
	fcgi/tel/manual \
	$(filter-out %.py %/deps %/apm,$(wildcard stack/native/*))
JS_FILES := $(wildcard nginx/console/*.js) tests/lib/judge.js

# Data and pictures have no place for a comment.
SOURCES := '*.c' '*.cc' '*.h' '*.py' '*.js' '*.ts' '*.go' '*.java' '*.css' '*.html' '*.sql' '*.proto' '*.lua' '*.conf' '*.yml' '*.yaml' \
	'*.alloy' '*.mk' $(SHELL_FILES) Makefile stack/Dockerfile ':!tests/fuzz/corpus'

# missingIncludeSystem: cppcheck knows the C library without its headers. E2: newer flake8 looks for spaces inside f-strings.
.PHONY: lint
lint: ## formats, layers, gcc, clang and gcc -fanalyzer with warnings as errors, clang-tidy, cppcheck, shellcheck, flake8
	@$(MAKE) --no-print-directory deps-lint
	@case "$$(clang-format --version)" in \
	*"version $(CLANG_FORMAT)."*) echo "clang-format"; clang-format --dry-run -Werror $(C_FILES) ;; \
	*) echo "formats are not checked: that takes clang-format $(CLANG_FORMAT), this is $$(clang-format --version)" ;; esac
	/usr/bin/python3 tests/layers.py
	/usr/bin/python3 tests/primitives.py
	/usr/bin/python3 tests/defaults.py
	@! git grep -L 'SPDX-License-Identifier: MIT' -- $(SOURCES) || { echo "these lack a line with their licence" >&2; false; }
	shellcheck $(SHELL_FILES)
	/usr/bin/python3 -m flake8 --max-line-length=120 --extend-ignore=E2 $(PY_FILES)
	@! LC_ALL=C.UTF-8 grep -nE '^.{121}' $(JS_FILES)
	@! command -v node >/dev/null || for file in $(JS_FILES); do node --input-type=module --check <$$file || exit 1; done
	$(MAKE) --no-print-directory -s $(JOBS) build CC=clang B=build/clang
	$(MAKE) --no-print-directory -s $(JOBS) build CC=gcc MODE=analyze
	cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
		--suppress=missingIncludeSystem $(CPPFLAGS) fcgi
	$(MAKE) --no-print-directory check-tel-abi
	$(MAKE) --no-print-directory -s $(JOBS) tidy

# clang-tidy is slow: a file is judged again only when it, a header or the rules have changed.
TIDY := $(patsubst %.c,$(B)/tidy/%.ok,$(wildcard fcgi/*/*.c fcgi/tel/src/*.c))
.PHONY: tidy
tidy: $(TIDY)
$(B)/tidy/%.ok: %.c $(wildcard fcgi/*/*.h fcgi/tel/*/*.h fcgi/tel/*/*/*.h) .clang-tidy
	@mkdir -p $(@D)
	@echo "  TIDY $<"; clang-tidy --quiet $< -- -std=gnu11 $(CPPFLAGS) 2>$@.err || { cat $@.err; exit 1; }
	@touch $@

# ---- the observability stack -------------------------------------------------------------------------------------------

include stack/stack.mk
