# A message is safe, listed and acknowledged as soon as the store's journal has it; its text file may
# come a moment later. Whoever looks at text files waits here first. For lib.sh, demo.sh and verdict.py.

# unsettled DIR: does the journal of this store hold a message whose text file may not be there yet?
# A segment that is longer than its header has records, or somebody died ahead of its first one: then the next
# delivery uses it. `spare` and `family` are no segments. This is all that the tests know of a journal.
SEGMENT_HEAD=128
unsettled() {
	[ -d "$1/.journal" ] &&
		find "$1/.journal" -type f -name '[0-9a-f]*' ! -name '*[!0-9a-f]*' -size "+${SEGMENT_HEAD}c" 2>/dev/null | # one may go meanwhile
		grep -q .
}

# wait_settled [DIR]: until its text files are all there; 1 and a word on stderr when that takes too long
wait_settled() {
	patience=1000
	while unsettled "${1:-.}"; do
		patience=$((patience - 1))
		[ "$patience" -gt 0 ] || {
			echo "# the journal of ${1:-.} is not settled: $(find "${1:-.}/.journal" -printf '%f %s ')" >&2
			return 1
		}
		sleep 0.02
	done
}
