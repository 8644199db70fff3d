#!/bin/sh
# The unit tests (t/unit/*.c, cmocka), as one TAP stream: each test's title is led by its module's name.
# A program that crashes, hangs or ends before its last test fails here, whatever it printed.
. "$(dirname "$0")/lib.sh"
export VECTORS
# their stores lie in memory: they are made and removed by the thousand, and no test here is of a disk
ram_folder
# these are whole programs of our own: here every byte must be freed
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:quarantine_size_mb=16 LSAN_OPTIONS=report_objects=1

# cmocka numbers each program from 1, and (1.1.5) calls a skipped test "not ok N # SKIP".
renumber() { # MODULE FIRST
	awk -v module="$1" -v n="$2" '
		/^(not )?ok [0-9]+/ {
			bad = $1 == "not"
			skip = index($0, "# SKIP") > 0
			sub(/^(not )?ok [0-9]+( - | )?/, "")
			sub(/^# SKIP */, "")
			printf "%s %d - %s: %s%s\n", bad && !skip ? "not ok" : "ok", ++n, module, $0,
				skip && !/# SKIP/ ? " # SKIP the published vectors are not there" : ""
			next
		}
		/^1\.\.[0-9]+$/ { next }
		/^# (not )?ok - tests$/ { next }
		{ sub(/^# ?/, ""); print "# " $0 }'
}

found=0
for program in "$BUILD"/t/unit/*; do
	case $program in
	*.o | *.d) continue ;;
	esac
	[ -x "$program" ] && [ -e "$ROOT/t/unit/$(basename "$program").c" ] || continue
	found=$((found + 1))
	module=$(basename "$program")
	if [ -n "$SANITIZED" ] && [ "$module" = once_crash ]; then
		echo "# SKIPPED here, it takes minutes: once_crash (a process for each call)" >&2
		continue
	fi
	rc=0
	TMPDIR=$RAM CMOCKA_MESSAGE_OUTPUT=TAP timeout 900 "$program" \
		>"$HOME_DIR/unit" 2>"$HOME_DIR/unit.err" </dev/null || rc=$?
	renumber "$module" "$TESTS" <"$HOME_DIR/unit" >"$HOME_DIR/unit.tap"
	cat "$HOME_DIR/unit.tap"
	sed 's/^/# /' "$HOME_DIR/unit.err"
	[ "$rc" = 0 ] || { # prove shows it without -v, too
		grep -A 6 '^not ok' "$HOME_DIR/unit.tap"
		tail -n 40 "$HOME_DIR/unit.err"
	} >&2
	planned=$(sed -n 's/^1\.\.\([0-9]*\)$/\1/p' "$HOME_DIR/unit" | head -n 1)
	ran=$(grep -Ec '^(not )?ok ' "$HOME_DIR/unit.tap")
	failed=$(grep -c '^not ok ' "$HOME_DIR/unit.tap")
	TESTS=$((TESTS + ran))
	FAILS=$((FAILS + failed))
	is "$module: every test ran" "$ran" "${planned:-a plan}"
	# the exit code is the number of failures, which are told above
	is "$module: it ends in good order" "$rc" "$failed"
	[ -z "$(ls -d "$RAM"/smtp361-unit.* 2>/dev/null)" ] || {
		report 1 "$module: nothing is left behind"
		rm -rf "$RAM"/smtp361-unit.*
	}
done
is "every unit test is built" "$found" "$(find "$ROOT/t/unit" -maxdepth 1 -name '*.c' | wc -l | tr -d ' ')"
done_testing
