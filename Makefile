# smtp361: secure mail for a closed group.
#
#   make            ./smtp361
#   make static     ./smtp361.static (musl)
#   make demo       the founding transcript, live          \ these two install what is
#   make check      every test                             / missing, and say so
#   make check-crash  every system call of 20-keys.t, 31-crash.t, 32-power.t, 33-faults.t and 66-queue.t, and what
#                   make check samples of 35-writers.t, 36-hostile-folder.t and 70-ft.t: a long time
#   make coverage   what the tests reach of store/ and keys/
#   make lint asan fuzz bench install uninstall clean

CC ?= cc
PREFIX ?= /usr/local
DESTDIR ?=
CFLAGS ?= -O2 -g
LDFLAGS ?=
V ?= 0

# BearSSL has no pkg-config file
BEARSSL_CFLAGS ?= -isystem /usr/include/bearssl
BEARSSL_LIBS ?= -lbearssl

WARN = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Werror
HARDEN = -fPIE -fstack-protector-strong -D_FORTIFY_SOURCE=2
OURS = -std=c11 -D_GNU_SOURCE $(WARN) $(BEARSSL_CFLAGS) -include crypto/banned.h -MMD -MP
LIBS = $(BEARSSL_LIBS) -largon2 -ljansson

SOURCES = $(wildcard cmd/*.c proto/*.c store/*.c keys/*.c crypto/*.c)
UNITS = $(wildcard t/unit/*.c)
FUZZERS = $(wildcard t/fuzz/*.c)
BENCHES = $(wildcard t/bench/*.c)

# B is where a variant is built; the recipes below are the same for all
B ?= build
OBJECTS = $(SOURCES:%.c=$(B)/%.o)
OUT ?= smtp361

Q = $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-6s %s\n' $(1) $@;)

.PHONY: all static units benches faults demo check check-crash lint asan check-asan coverage fuzz bench install uninstall clean deps-check deps-static
.DELETE_ON_ERROR:

all: $(OUT)
	@:

$(OUT): $(B)/smtp361.o $(OBJECTS)
	$(call say,LINK)$(CC) $(CFLAGS) -pie -Wl,-z,relro,-z,now $(LDFLAGS) -o $@ $^ $(LIBS)

$(B)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(CFLAGS) $(HARDEN) $(OURS) -c -o $@ $<

# --- static: musl-gcc, the distribution's archives, and a shim for what they expect of glibc ---

S = build/static
STATIC_CC ?= musl-gcc
STATIC_CFLAGS = -Oz -flto=auto -ffunction-sections -fdata-sections -fPIE -fstack-protector-strong
STATIC_ARCHIVES = $(foreach l,bearssl argon2 jansson,$(firstword $(wildcard \
	/usr/lib/$(shell $(CC) -print-multiarch 2>/dev/null)/lib$(l).a /usr/lib/lib$(l).a)))

static: deps-static
	$(Q)$(MAKE) --no-print-directory smtp361.static

# musl-gcc knows -static but not -static-pie: the position-independent start file is named by hand
MUSL_LIB ?= /usr/lib/$(shell uname -m)-linux-musl
STATIC_LINK = -static -nostartfiles -Wl,-pie,--no-dynamic-linker,-z,text,-z,relro,-z,now,--gc-sections \
	-T t/static/no-unwind.ld $(MUSL_LIB)/rcrt1.o $(MUSL_LIB)/crti.o

# only these headers: all of /usr/include would hide musl's own
$(S)/include/.made: Makefile
	@mkdir -p $(@D)
	$(Q)ln -sf /usr/include/bearssl/*.h /usr/include/argon2.h /usr/include/jansson.h \
		$$(find /usr/include -name jansson_config.h | head -n 1) $(@D)/
	@touch $@

smtp361.static: $(patsubst %.c,$(S)/%.o,smtp361.c $(SOURCES) t/static/shim.c)
	$(call say,LINK)$(STATIC_CC) $(STATIC_CFLAGS) $(STATIC_LINK) -o $@ $^ $(STATIC_ARCHIVES) $(MUSL_LIB)/crtn.o
	$(Q)strip $@
	@printf '  %-6s %s is %s KiB\n' SIZE $@ $$(( ($$(wc -c <$@) + 1023) / 1024 ))

$(S)/%.o: %.c $(S)/include/.made Makefile
	@mkdir -p $(@D)
	$(call say,CC)$(STATIC_CC) $(STATIC_CFLAGS) -isystem $(S)/include \
		$(filter-out -isystem /usr/include/bearssl,$(OURS)) -c -o $@ $<

# --- tests ---

UNIT_PROGRAMS = $(UNITS:%.c=$(B)/%)
ENGINE_PROGRAMS = $(filter $(B)/t/unit/engine_%,$(UNIT_PROGRAMS))

PEER_PROGRAMS = $(B)/t/peer/tls_peer $(B)/t/peer/sshsig

units: $(UNIT_PROGRAMS) $(PEER_PROGRAMS)
	@:

# what each test program takes its part from: linked whole into some 200 of them, the rooms cost more than
# to compile them
ROOMS = $(B)/rooms.a

$(ROOMS): $(OBJECTS)
	@rm -f $@
	$(call say,AR)$(AR) crs $@ $^

$(UNIT_PROGRAMS): $(B)/t/unit/%: $(B)/t/unit/%.o $(ROOMS)
	$(call say,LINK)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(ROOMS) $(LIBS) -lcmocka

# ours at one end, for another's program at the other
$(PEER_PROGRAMS): $(B)/t/peer/%: $(B)/t/peer/%.o $(ROOMS)
	$(call say,LINK)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(ROOMS) $(LIBS)

# one suite for every engine behind store/mailbox.h, and the engine in memory
$(ENGINE_PROGRAMS): $(patsubst %.c,$(B)/%.o,$(wildcard t/unit/engine/*.c))

FUZZ_PROGRAMS = $(FUZZERS:%.c=$(B)/%)

# each harness with a main that replays a corpus; `make fuzz` builds them for libFuzzer instead
$(FUZZ_PROGRAMS): $(B)/t/fuzz/%: $(B)/t/fuzz/%.o $(B)/t/fuzz/main/replay.o $(ROOMS)
	$(call say,LINK)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(ROOMS) $(LIBS)

BENCH_PROGRAMS = $(BENCHES:%.c=$(B)/%)

$(BENCH_PROGRAMS): $(B)/t/bench/%: $(B)/t/bench/%.o $(ROOMS)
	$(call say,LINK)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(ROOMS) $(LIBS)

benches: $(BENCH_PROGRAMS)

# what the tests of crashes and faults run: a life of a store, and who stands between a program and
# the kernel, or its memory
FAULT_PROGRAMS = $(B)/t/fault/engine $(B)/t/fault/inject $(B)/t/fault/memory.so

$(B)/t/fault/calls.h: Makefile
	@mkdir -p $(@D)
	$(Q)echo '#include <sys/syscall.h>' | $(CC) -E -dM - | \
		sed -n 's/^#define __NR_\([a-z0-9_]*\) .*/CALL(\1)/p' >$@

$(B)/t/fault/inject: t/fault/inject.c t/fault/mark.h $(B)/t/fault/calls.h
	$(call say,CC)$(CC) -O2 -g -std=c11 $(WARN) -I$(@D) -o $@ $<

$(B)/t/fault/memory.so: t/fault/memory.c t/fault/mark.h
	@mkdir -p $(@D)
	$(call say,CC)$(CC) -O2 -g -std=c11 $(WARN) -fPIC -shared -o $@ $<

$(B)/t/fault/engine: $(B)/t/fault/engine.o $(ROOMS)
	$(call say,LINK)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(ROOMS) $(LIBS)

faults: $(FAULT_PROGRAMS)

deps-check:
	@t/deps.sh check

deps-static:
	@t/deps.sh static

demo:
	@t/deps.sh demo
	$(Q)$(MAKE) --no-print-directory all
	@t/demo.sh

check: deps-check
	@test -e $${VECTORS:-../shared/vectors} || \
		echo "no ../shared/vectors: tests that need published vectors are SKIPPED" >&2
	$(Q)$(MAKE) --no-print-directory all units benches faults $(FUZZ_PROGRAMS) smtp361.static
	$(Q)SMTP361=$(CURDIR)/smtp361 BUILD=$(CURDIR)/$(B) prove -j$(TOGETHER) --timer --directives --failures $(T)

# How many at once: they wait more than they compute. Those that take longest begin: one that began last would
# run alone at the end.
TOGETHER ?= 4
LONGEST = $(addprefix t/,10-units.t 80-lab.t 73-ft-hostile.t 74-ft-peer.t 81-mitm.t 20-keys.t 78-chat.t 32-power.t \
	31-crash.t 71-ft-resume.t 83-end-to-end-peer.t 70-ft.t 00-lint.t)
T ?= $(LONGEST) $(filter-out $(LONGEST),$(sort $(wildcard t/*.t)))

check-crash: deps-check
	$(Q)$(MAKE) --no-print-directory all faults
	$(Q)CRASH=all SMTP361=$(CURDIR)/smtp361 BUILD=$(CURDIR)/$(B) prove -v --directives \
		t/20-keys.t t/31-crash.t t/32-power.t t/33-faults.t t/66-queue.t
	$(Q)EXHAUSTIVE=1 SMTP361=$(CURDIR)/smtp361 BUILD=$(CURDIR)/$(B) prove -v --directives \
		t/35-writers.t t/36-hostile-folder.t t/70-ft.t

lint: deps-check
	$(Q)prove -v t/00-lint.t

A = build/asan
ASAN = -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

asan: deps-check
	$(Q)$(MAKE) --no-print-directory B=$(A) OUT=$(A)/smtp361 CFLAGS="$(ASAN)" \
		HARDEN= LDFLAGS="-fsanitize=address,undefined" $(A)/smtp361 units faults $(FUZZERS:%.c=$(A)/%)

check-asan: asan
	$(Q)SANITIZED=1 SMTP361=$(CURDIR)/$(A)/smtp361 BUILD=$(CURDIR)/$(A) prove -j$(TOGETHER) --timer --directives --failures $(T)

# Sessions are forked and end with _exit: t/coverage/exit.c has them write their counters, too. Who may not write
# them (another user) does without. Of faults, each call meets one (CRASH=each). A test that fails does not end it:
# the figures are what was reached. t/35-writers.t is not among them: who is killed while he writes counters spoils
# those of all.
C = build/coverage
COVERED ?= store keys
COVERED_BY ?= t/33-faults.t t/10-units.t t/15-fuzz.t t/20-keys.t $(filter-out t/33-faults.t t/35-writers.t,$(sort $(wildcard t/3*.t))) \
	t/44-listing.t t/53-enhanced-accounts.t t/54-enhanced-scripts.t
COVERED_WANTED ?= 95

coverage: deps-check
	$(Q)mkdir -p $(C) && find $(C) -name '*.gcda' -delete
	$(Q)$(MAKE) --no-print-directory B=$(C) $(C)/t/coverage/exit.o OURS="-std=c11 -D_GNU_SOURCE -MMD -MP"
	$(Q)$(MAKE) --no-print-directory B=$(C) OUT=$(C)/smtp361 HARDEN= CFLAGS="-O0 -g --coverage -fprofile-update=atomic" \
		LDFLAGS="--coverage -Wl,--wrap=_exit $(C)/t/coverage/exit.o" $(C)/smtp361 units faults $(FUZZERS:%.c=$(C)/%)
	-$(Q)GCOV_ERROR_FILE=/dev/null SANITIZED=coverage CRASH=each SMTP361=$(CURDIR)/$(C)/smtp361 BUILD=$(CURDIR)/$(C) prove -j2 --directives $(COVERED_BY)
	$(Q)/usr/bin/python3 -B t/coverage/report.py $(C) $(COVERED_WANTED) $(COVERED)

fuzz:
	$(Q)t/fuzz/run.sh

bench: deps-check
	$(Q)$(MAKE) --no-print-directory all benches smtp361.static
	@SMTP361=$(CURDIR)/smtp361 BUILD=$(CURDIR)/$(B) t/bench/run.sh

# --- installing ---

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 755 smtp361 $(DESTDIR)$(PREFIX)/bin/smtp361
	install -m 644 cmd/smtp361.1 $(DESTDIR)$(PREFIX)/share/man/man1/smtp361.1

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/smtp361 $(DESTDIR)$(PREFIX)/share/man/man1/smtp361.1

clean:
	rm -rf build smtp361 smtp361.static

-include $(wildcard $(B)/*.d $(B)/*/*.d $(B)/*/*/*.d $(B)/*/*/*/*.d $(S)/*.d $(S)/*/*.d)
