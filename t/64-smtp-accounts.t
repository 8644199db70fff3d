#!/bin/sh
# `user smtp`: who opts in to CRAM-MD5 and SCRAM-SHA-256, what is stored for that, and what is said of it;
# and passwords for mail programs alone.
. "$(dirname "$0")/lib.sh"
cd "$HOME_DIR" || exit 1

PEER="/usr/bin/python3 -B $ROOT/t/peer/smtp_accounts.py"
file=user_pass.json
run() {
	RC=0
	timeout 20 "$@" >o 2>e </dev/null || RC=$?
}
user() { run "$SMTP361" user "$@"; }
column() { "$SMTP361" user list | grep "^$1	" | cut -f 8; }
has() { # NAME PASSWORD [FIELD...]
	# shellcheck disable=SC2086
	ok "$1 has for its password: ${3:-neither}${4:+ and $4}" $PEER judge $file "$@"
}
echo first >pw
echo second >pw2
printf '%0100d\n' 7 >pw-long

# --- opting in, and out ---

user add ada --password-file pw
has ada first
is "nobody has one unasked" "$(column ada)" -
user smtp ada
is "smtp shows that there is none" "$RC $(cat o e)" "0 ada: none"
user smtp ada --scram --password-file pw
is "smtp --scram sets it, and shows it" "$RC $(cat o)" "0 ada: SCRAM-SHA-256"
like "... and says why this is a choice" "$(cat e)" 'verifier.*user_pass\.json.*faster.*Argon2id'
is "... nothing of the other" "$(grep -c MD5 e)" 0
has ada first scram_sha256
is "... the list has it" "$(column ada)" scram
user smtp ada --cram-md5 --password-file pw
is "smtp sets exactly what is said" "$RC $(cat o)" "0 ada: CRAM-MD5"
like "... and says why this is a choice" "$(cat e)" 'states of HMAC-MD5.*reads user_pass\.json can log in as ada.*guess'
has ada first cram_md5
is "... the list has it" "$(column ada)" cram-md5
user smtp ada --cram-md5 --scram --password-file pw
is "both may be set" "$RC $(cat o)" "0 ada: CRAM-MD5, SCRAM-SHA-256"
has ada first cram_md5 scram_sha256
is "... the list has them" "$(column ada)" cram-md5,scram
user smtp ada
is "smtp shows them, with no warning" "$RC $(cat o e)" "0 ada: CRAM-MD5, SCRAM-SHA-256"
user list --json
ok "list --json has them" /usr/bin/python3 -c "
import json
rows = json.load(open('o'))
assert [row.get('smtp') for row in rows] == ['cram-md5,scram'], rows"
cp -p $file before
for wrong in "smtp ada --scram --password-file pw2:77" "smtp ada --scram:64" "smtp ada --none --scram:64" \
	"smtp ada --none --own:64" "smtp ada --password-file pw:64" "smtp nobody --own --password-file pw:67" \
	"smtp ada --own:64" "smtp ada --own --password-file none:66" "smtp nobody:67" "smtp nobody --none:67" "smtp nobody --cram-md5 --password-file pw:67" "smtp:64" \
	"smtp ada extra:64" "smtp ada --scram --password-file none:66"; do
	# shellcheck disable=SC2086
	user ${wrong%:*}
	is "${wrong%:*} is refused, ${wrong##*:}" "$RC $(cat o)" "${wrong##*:} "
	ok "... with a reason, and nothing changes" sh -c "test -s e && cmp before $file"
done
is "no password is in the file, or told" "$(cat $file o e | grep -Ec 'first|second')" 0
is "the file is 0600" "$(stat -c %a $file)" 600
user smtp ada --none
is "smtp --none takes both away, and needs no password" "$RC $(cat o)" "0 ada: none"
has ada first
cp -p $file before
user smtp ada --none
is "... once more changes nothing" "$RC $(cmp before $file && echo same)" "0 same"

# --- with the password ---

user add bob --password-file pw --cram-md5 --scram
like "add takes them, and says what that means" "$RC $(cat e)" 'as bob by them'
has bob first cram_md5 scram_sha256
user passwd bob --password-file pw2
is "passwd keeps what there is" "$RC $(column bob)" "0 cram-md5,scram"
has bob second cram_md5 scram_sha256
user smtp bob --cram-md5 --password-file pw
is "... the old password is none any more" "$RC" 77
user passwd ada --password-file pw-long --cram-md5
has ada "$(cat pw-long)" cram_md5
user passwd ada --password-file pw --scram
is "passwd adds to what there is" "$RC $(column ada)" "0 cram-md5,scram"
has ada first cram_md5 scram_sha256
user passwd bob --password-file none --scram
is "passwd without its password changes nothing" "$RC $(column bob)" "66 cram-md5,scram"

# --- who cannot log in by SMTP at all ---

user mode bob enhanced
user smtp bob
is "an account that wants its key keeps them" "$RC $(cat o)" "0 bob: CRAM-MD5, SCRAM-SHA-256"
like "... but smtp says that they are of no use" "$(cat e)" 'bob cannot log in by SMTP'
user revoke bob
is "revoke takes them away" "$(column bob)" -
user smtp bob
is "an account without a password has none" "$RC $(cat o)" "0 bob: none"
like "... which smtp says, and the cure" "$(cat e)" 'bob cannot log in by SMTP.*user smtp bob --own'
echo '{"eve": "plain word"}' >$file
echo 'plain word' >pw-plain
user smtp eve --cram-md5 --password-file pw-plain
is "a plain account opts in" "$RC $(cat o)" "0 eve: CRAM-MD5"
has eve 'plain word' cram_md5

# --- a password for mail programs alone ---

mail='mail programs have a password of their own'
echo '{"ida": {"x25519": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE", "mode": "key"}}' >$file
user smtp ida --scram --cram-md5 --password-file pw
is "where there is no password the one that is given is for mail programs alone" "$RC $(cat o)" \
	"0 ida: CRAM-MD5, SCRAM-SHA-256; $mail"
has ida first smtp_password cram_md5 scram_sha256
is "... the account still has none" "$(grep -c '"password"' $file)" 0
is "... the list has it" "$(column ida)" own,cram-md5,scram
user list --json
ok "list --json has it" /usr/bin/python3 -c "
import json
assert [row['smtp'] for row in json.load(open('o'))] == ['own,cram-md5,scram']"
user smtp ida
is "smtp shows it, with no warning" "$RC $(cat o e)" "0 ida: CRAM-MD5, SCRAM-SHA-256; $mail"
user smtp ida --password-file pw2
is "another takes its place, with exactly the mechanisms that are said" "$RC $(cat o)" "0 ida: none; $mail"
has ida second smtp_password
is "... the list has it" "$(column ida)" own
user smtp ida --own --scram --password-file pw
is "--own says so" "$RC $(cat o)" "0 ida: SCRAM-SHA-256; $mail"
user passwd ida --password-file pw2
is "passwd leaves it" "$RC $(column ida)" "0 own,scram"
has ida first smtp_password scram_sha256
cp -p $file before
user passwd ida --password-file pw2 --cram-md5
is "... and makes no mechanism beside it: 64" "$RC $(cmp before $file && echo same)" "64 same"
like "... with the cure" "$(cat e)" 'hint: smtp361 user smtp ida --own'
user harden
is "harden leaves it" "$RC $(cat e) $(cmp before $file && echo same)" "0 0 plain passwords turned into Argon2id same"
user smtp ida --cram-md5 --password-file pw
is "it is not the account's own" "$RC $(cmp before $file && echo same)" "77 same"
user smtp ida --cram-md5 --password-file pw2
is "the account's own takes its place" "$RC $(cat o)" "0 ida: CRAM-MD5"
like "... which is said" "$(cat e)" "the password that ida's mail programs had is gone"
has ida second cram_md5
user smtp ida --own --password-file pw
is "beside a password it takes --own" "$RC $(cat o)" "0 ida: none; $mail"
has ida first smtp_password
user smtp ida --none
is "--none takes it away" "$RC $(cat o) $(column ida)" "0 ida: none -"
user mode ida both
user smtp ida --own --password-file pw
like "what the account's own no longer opens is said" "$(cat e)" 'the password that ida had lets no mail program in'
is "no password is in the file" "$(grep -Ec 'first|second' $file)" 0
user revoke ida
is "revoke takes it away" "$(column ida)" -
echo '{"eve": "plain word"}' >$file
user smtp eve --own --cram-md5 --password-file pw
is "a plain account gets one" "$RC $(cat o)" "0 eve: CRAM-MD5; $mail"
has eve first smtp_password cram_md5
is "... and its own is plain no more" "$(grep -c plain $file)" 0
printf '{"ida": {},\n"eve": {"smtp_password": "mail word"}}' >$file
user smtp ida
like "a file with one that is no Argon2id string is refused, with its line" "$RC $(cat e)" \
	'^78 .*:2: user "eve": "smtp_password" is no Argon2id string'

# --- a person ---

echo '{"eve": "plain word", "ida": {}}' >$file

said=$($PEER ask 'plain word' "$SMTP361" user smtp eve --scram)
like "on a terminal the password is asked for once" "$said" '^asked 1, exit 0$'
like "... by name" "$said" '^Password of eve:'
like "... and what is set is shown" "$said" '^eve: SCRAM-SHA-256$'
is "... what is typed is not" "$(echo "$said" | grep -c word$)" 0
has eve 'plain word' scram_sha256
like "a wrong one is refused" "$($PEER ask plain "$SMTP361" user smtp eve --cram-md5)" '^asked 1, exit 77$'
like "--none asks for nothing" "$($PEER ask plain "$SMTP361" user smtp eve --none)" '^asked 0, exit 0$'
like "an account that is not there is no reason to ask" \
	"$($PEER ask plain "$SMTP361" user smtp nobody --scram)" '^asked 0, exit 67$'

said=$($PEER ask 'mail word' "$SMTP361" user smtp ida --scram)
like "a new password is asked for twice" "$said" '^asked 2, exit 0$'
like "... by what it is for" "$said" '^New password for mail programs:'
like "... and what is set is shown" "$said" "^ida: SCRAM-SHA-256; $mail"
has ida 'mail word' smtp_password scram_sha256
like "so is one beside the account's" "$($PEER ask 'mail word' "$SMTP361" user smtp eve --own)" '^asked 2, exit 0$'
has eve 'mail word' smtp_password

done_testing
