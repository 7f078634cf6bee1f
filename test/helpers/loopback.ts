import { randomInt } from "node:crypto";

/** Of each /24 the first and the last address are left out. */
const hostsPerNetwork = 254;

/**
 * Addresses of a test's own: of 127.0.0.0/8 a network that is chosen by chance, and in it, then in the next, as many hosts
 * as are asked for. As with pods, the ports can then be the usual ones. A port of 127.0.0.1 that is free now, and to be
 * listened on only a minute later, may be somebody else's by then.
 */
export function loopbackHosts(): () => string {
	const second = randomInt(1, 255);
	const third = randomInt(0, 256);
	let hosts = 0;
	return () => {
		const network = (third + Math.floor(hosts / hostsPerNetwork)) % 256;
		return `127.${second}.${network}.${(hosts++ % hostsPerNetwork) + 1}`;
	};
}
