# The preStop hook of a daemon's pod: buildkitd gets SIGTERM when this ends. No new builds, and the rest may finish.
#
#   drain.sh URL TIMEOUT QUIET PORT [CALL]     (times in seconds; the pod's name is in BUILDKIT_SCALER_POD)
#
# The scaler at URL knows when no build is left. While it is away, or does not know, no connection to PORT for QUIET
# seconds is the sign. A call that takes longer than CALL is given up. Needs sh, wget, timeout and sleep, which the images
# of buildkitd have from busybox.
url=$1/$BUILDKIT_SCALER_POD timeout=$2 quiet=$3 port=$(printf %04X "$4")

# An HTTP proxy for buildkitd is not for us.
unset http_proxy HTTP_PROXY

# To the pod's log, which a hook's own output does not reach. Nothing is said twice in a row.
say() {
	[ "$*" = "$said" ] && return
	said=$*
	echo "drain: $*"
	{ echo "drain: $*" >"${DRAIN_LOG:-/proc/1/fd/2}"; } 2>/dev/null
}

uptime() {
	read -r up _ </proc/uptime
	echo "${up%.*}"
}

# The other ends of the established connections to our port. The shell reads a byte at a time: where there is a grep, it
# leaves out the thousands that a build's steps may have opened and closed.
peers() {
	for table in /proc/net/tcp /proc/net/tcp6; do
		[ -r "$table" ] || continue
		if command -v grep >/dev/null; then grep ":$port " "$table" | established; else established <"$table"; fi
	done
}

established() {
	while read -r _ local remote state _; do
		case $local/$state in *:"$port"/01) echo "$remote" ;; esac
	done
}

# Ends well when nobody was there for QUIET seconds. Who is seen only once was a probe: looks are a second apart.
watch() {
	left=$quiet now=$(peers)
	while [ "$left" -gt 0 ] || [ -n "$now" ]; do
		[ "$(uptime)" -lt "$end" ] || return 1
		before=$(echo $now)
		sleep 1
		left=$((left - 1)) now=$(peers)
		for peer in $now; do
			case " $before " in *" $peer "*) return 1 ;; esac
		done
	done
}

end=$(($(uptime) + timeout))
while [ "$(uptime)" -lt "$end" ]; do
	# Not wget's own -T, which crashes it where busybox is linked statically with glibc (Debian).
	answer=$(timeout "${5:-30}" wget -q -O - --post-data= "$url" 2>&1)
	case $answer in
	"drained: "*)
		say "$answer"
		exit 0
		;;
	"busy: "*)
		say "$answer"
		# It answers after 20 s.
		sleep 1
		;;
	*)
		say "the scaler does not tell ($answer); watching connections"
		if watch; then
			say "no connection for $quiet s"
			exit 0
		fi
		;;
	esac
done
say "$timeout s are over; buildkitd gets SIGTERM with the builds that it has"
exit 1
