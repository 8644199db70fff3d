# What the tests of sealed mail share, beside lib.sh, after which it is sourced:
#
#     members 2                  # client1 and client2, each with a folder of keys, in the server's folder
#     start_server || exit 1
#     run by 1 send --seal --to client2 note
#     run cl 2 read 1            # the same over the classic protocol

# members N: so many, with k1 ... kN, in which nobody else's keys are. A signing key makes who needs one.
members() {
	site
	umask 077
	rm -f client?_p256_*.pem
	for i in $(seq "$1"); do
		mkdir "k$i" && cp "client$i"_*.pem server_public.pem server_x25519_public.pem "k$i/" || exit 1
	done
}

# by N APPLET...: over the enhanced protocol, as clientN; cl: over the classic one
by() {
	n=$1 applet=$2
	shift 2
	cl "$n" "$applet" --enhanced "$@"
}
cl() {
	n=$1 applet=$2
	shift 2
	"$SMTP361" "$applet" -u "client$n" -k "k$n" --password-file "pw$n" "$@"
}
