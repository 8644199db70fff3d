#!/bin/sh
# Install what a target needs and this machine lacks, by the system's package manager, saying what and
# why. With everything there it does nothing and needs no root.
#   t/deps.sh demo|check|static
set -eu

missing=
need() { # PACKAGE WHY TEST...
	package=$1 why=$2
	shift 2
	if ! "$@" >/dev/null 2>&1; then
		missing="$missing $package"
		echo "missing: $package ($why)" >&2
	fi
}
have() { command -v "$1"; }
header() { test -e "/usr/include/$1" || find /usr/include -path "*/$1" | grep -q .; }
module() { /usr/bin/python3 -c "import $1"; }

need gcc "the compiler" have "${CC:-gcc}"
need libc6-dev "the C library's headers" header stdio.h
need libbearssl-dev "cryptography" header bearssl/bearssl.h
need libargon2-dev "password hashing" header argon2.h
need libjansson-dev "JSON" header jansson.h
case $1 in
check | static)
	need musl-tools "make static" have musl-gcc
	need binutils "strip, for make static" have strip
	;;
esac
if [ "$1" = check ]; then
	need libcmocka-dev "unit tests" header cmocka.h
	need perl "prove runs the tests" have prove
	need python3 "tests, and the independent peer" test -x /usr/bin/python3
	need python3-pycryptodome "the independent peer" module Cryptodome
	need python3-dissononce "the independent peer of the enhanced protocol" module dissononce
	need openssl "judges key files" have openssl
	need e2fsprogs "power cuts on ext4" have mkfs.ext4
	need xfsprogs "power cuts on xfs" have mkfs.xfs
	need strace "fault and crash injection" have strace
	need tshark "reads the captures of the lab" have tshark
	need chromium "looks at the page of the lab" have chromium
	need fonts-dejavu-core "... with letters" test -e /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf
	need swaks "a mail program, against the SMTP door" have swaks
	need libdigest-hmac-perl "... which logs in by CRAM-MD5" perl -MDigest::HMAC_MD5 -e 1
	need libnet-ssleay-perl "... and speaks TLS" perl -MNet::SSLeay -e 1
	need msmtp "a mail program, against the SMTP door" have msmtp
	need curl "a mail program, against the SMTP door" have curl
	need s-nail "a mail program, against the SMTP door" have s-nail
	need git-email "hands its patches to sendmail" test -e /usr/lib/git-core/git-send-email
	need libmailtools-perl "... and reads addresses" perl -MMail::Address -e 1
	need mutt "a mail program, whose folders are imported" have mutt
	need php-cli "mail() calls sendmail" have php
	need nodejs "nodemailer, against the SMTP door" have node
	need npm "installs nodemailer" have npm
	need sasl2-bin "accounts of Postfix, which sendmail sends to" test -x /usr/sbin/saslpasswd2
	need libsasl2-modules "... and their logins" sh -c 'find /usr/lib -name "libcrammd5.so*" | grep -q .'
	# it would take the place of another mail server: only where there is none
	[ -e /usr/sbin/sendmail ] || need postfix "a mail server, which sendmail sends to" test -x /usr/sbin/postconf
	need age "judges sealed files" have age
	need valgrind "leak checks" have valgrind
	need mandoc "lints the manual page" have mandoc
	need clang-format "make lint" have clang-format
	need shellcheck "make lint" have shellcheck
	need openssh-client "judges signatures" have ssh-keygen
	need tmux "tests what a terminal shows" have tmux
	need faketime "a clock that steps" have faketime
	need procps "pgrep, ps" have ps
fi

[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null 2>&1; then
	echo "install these by your system's package manager:$missing" >&2
	exit 69
fi
as_root=
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null 2>&1; then
		echo "run this as root: apt-get install -y$missing" >&2
		exit 69
	fi
	as_root=sudo
fi
echo "installing:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
fail() {
	echo "that did not work; run as root: apt-get update && apt-get install -y$missing" >&2
	exit 69
}
# a Postfix that the tests run by themselves, and the system does not
case $missing in
*postfix*) echo postfix postfix/main_mailer_type select No configuration | $as_root debconf-set-selections || : ;;
esac
# the lists may be missing or old: update, then install
$as_root apt-get update -qq >&2 || fail
# shellcheck disable=SC2086
$as_root apt-get install -y -qq -o Dpkg::Use-Pty=0 --no-install-recommends $missing >/dev/null || fail
