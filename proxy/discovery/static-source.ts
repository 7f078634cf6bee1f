import type { Daemon, DaemonAddress, DaemonSource } from "../daemon.ts";

/** A list of daemons that never changes (`--daemons`); the position in the list is the ordinal. */
export function staticSource(addresses: readonly Extract<DaemonAddress, { t: "tcp" }>[]): DaemonSource {
	const daemons = addresses.map((address, ordinal): Daemon => {
		return { name: `${address.host}:${address.port}`, address, ordinal, draining: false };
	});
	return { daemons, onChange: () => () => {} };
}
