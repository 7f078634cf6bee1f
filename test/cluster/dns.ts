import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { findProgram } from "../tools/programs.ts";
import type { ComponentSpec } from "./component-spec.ts";
import { answers } from "./http.ts";
import { addresses, dirs, files, ports } from "./layout.ts";

export function coredns(): ComponentSpec {
	const config = join(dirs.config, "Corefile");
	writeFileSync(config, corefile);
	const nameserver = `nameserver ${addresses.node}\n`;
	writeFileSync(files.nodeResolvConf, nameserver);
	// As in a pod of the namespace keda: a scaler's address may be scaler.namespace or the whole name.
	const { domain } = addresses;
	const search = `search keda.svc.${domain} svc.${domain} ${domain}\noptions ndots:5\n`;
	writeFileSync(files.clusterResolvConf, nameserver + search);
	return {
		name: "coredns",
		command: [findProgram("coredns"), `-conf=${config}`],
		isReady: () => answers(ports.dnsReady, "/ready"),
	};
}

// ttl 1: a test that moves a Service must not wait half a minute. Names outside the cluster do not exist, as no
// test may depend on the world outside, nor wait for it. (A block of its own: within one block, template would
// answer before kubernetes, whatever their order here.)
const corefile = `${addresses.domain}:${ports.dns} in-addr.arpa:${ports.dns} {
	bind ${addresses.node}
	errors
	ready ${addresses.node}:${ports.dnsReady}
	kubernetes ${addresses.domain} in-addr.arpa {
		kubeconfig ${files.kubeconfig}
		ttl 1
	}
}
.:${ports.dns} {
	bind ${addresses.node}
	errors
	template ANY ANY {
		rcode NXDOMAIN
	}
}
`;
