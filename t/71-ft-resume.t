#!/bin/sh
# Transfers that break off, and go on: either end killed at any byte, connections cut, parts that somebody
# changed, sources that change. Half a file is never seen, what is held is proved and not trusted, and
# --resume moves less. Another SEED has other bytes; KILLS is how many processes are killed.
. "$(dirname "$0")/lib.sh"
/usr/bin/python3 -c '' 2>/dev/null || skip_all "no python3"
KILLS=${KILLS:-$([ -z "$SANITIZED" ] && echo 100 || echo 20)}
export SMTP361
ram_folder
mkdir "$RAM/work" && cd "$RAM/work" || exit 1
mkdir drop here
echo 'correct horse battery staple' >key
chmod 600 key
judged "every transfer broke off, and was gone on with" /usr/bin/python3 -B "$ROOT/t/peer/ft_resume.py" "$KILLS" ${SEED:+"$SEED"}
done_testing
