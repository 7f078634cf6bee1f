import { clientAuthModes } from "../proxy/tls/terminator.ts";
import {
	admin,
	affinityBy,
	balance,
	capacity,
	drainTimeout,
	fairBy,
	frozenAfter,
	logLevel,
	maxPerTenant,
	maxWait,
	namespace,
	nats,
	natsFiles,
	pool,
	traces,
	wakeOnStatus,
} from "./common-options.ts";
import { daemonTlsOptions } from "./daemon-tls.ts";
import {
	advertisedAddress,
	choice,
	dnsName,
	duration,
	hostPorts,
	integer,
	listenAddress,
	name,
	names,
	portNameOrNumber,
	size,
	text,
} from "./option.ts";

/** Said once for a proxy. */
export const sharedOptions = {
	frozenAfter,
	drainGrace: {
		kind: duration,
		defaultText: "5s",
		placeholder: "DURATION",
		description: "How long a stop still takes clients in, as not everyone knows at once that it goes",
	},
	drainTimeout,
	maxConnections: {
		kind: integer(1, 1_000_000),
		defaultText: "20000",
		placeholder: "N",
		description: "Clients of a pool at once; the next one is closed",
	},
	maxConnectionsPerAddress: {
		kind: integer(1, 1_000_000),
		defaultText: "1000",
		placeholder: "N",
		description: "Of those, from one address: that of a NAT or a load balancer, where there is one",
	},
	maxOpening: {
		kind: integer(1, 1_000_000),
		defaultText: "10000",
		placeholder: "N",
		description: "Of those, without a request yet",
	},
	maxHeld: {
		kind: size,
		defaultText: "256MiB",
		placeholder: "SIZE",
		description: "Memory for what all waiting clients have sent, at most 256 KiB each",
	},
	traces,
	nats,
	...natsFiles,
	admin,
	adminAdvertise: {
		kind: advertisedAddress,
		placeholder: "HOST:PORT",
		description:
			"Where scalers reach --admin, to read what this proxy would say when NATS fails; without it --admin, if it names a host",
	},
	id: {
		kind: text,
		placeholder: "NAME",
		description: "This proxy's name in events, kept over restarts; without it the host's name and the port",
	},
	logLevel,
} as const;

const file = { kind: text, placeholder: "FILE" } as const;

/** Said for each pool, or once for all of them. */
export const poolOptions = {
	listen: {
		kind: listenAddress,
		defaultText: ":1234",
		placeholder: "HOST:PORT",
		description: "Where BuildKit clients connect",
	},
	pool,
	namespace,
	daemons: {
		kind: hostPorts,
		placeholder: "HOST:PORT,...",
		description: "The pool's daemons, in ordinal order; those that are down are dialed while someone waits",
	},
	daemonsService: {
		kind: name,
		placeholder: "NAME",
		description: "Instead of --daemons: the Kubernetes Service, in --namespace, whose endpoints they are",
	},
	daemonsDns: {
		kind: dnsName,
		placeholder: "NAME:PORT",
		description:
			"Instead of --daemons: a name in DNS; _service._tcp.NAME asks for SRV records, which tell ports",
	},
	daemonsPort: {
		kind: portNameOrNumber,
		defaultText: "buildkit",
		placeholder: "PORT",
		description: "The daemons' port in --daemons-service: its name there, or a number",
	},
	capacity,
	balance,
	affinityBy,
	fairBy,
	maxPerTenant,
	maxWait,
	wakeOnStatus,
	tls: {
		kind: choice(["off", "terminate", "passthrough"]),
		defaultText: "off",
		placeholder: "MODE",
		description:
			"How clients speak: off (plaintext), terminate (TLS ends here, and clients wait as long as need be) or " +
			"passthrough (TLS ends at the daemons, and clients can wait 18 s)",
	},
	tlsCert: {
		...file,
		description: "Our certificate for clients (PEM, with its chain); read again when it changes",
	},
	tlsKey: { ...file, description: "Its key (PEM)" },
	tlsClientCa: { ...file, description: "The CA of client certificates (PEM); without it clients need none" },
	tlsClientAuth: {
		kind: choice(clientAuthModes.filter((mode) => mode !== "none")),
		defaultText: "required",
		placeholder: "MODE",
		description: "With --tls-client-ca: whether a client certificate is required or optional",
	},
	allowClients: {
		kind: names,
		placeholder: "NAME,...",
		description:
			"Clients that may use the pool, by a name in their certificate: cn:NAME, dns:NAME or uri:URI, * for anything; " +
			"without it all with a good certificate",
	},
	serverNames: {
		kind: names,
		placeholder: "NAME,...",
		description:
			"TLS server names (SNI) of this pool where several share --listen; *.DOMAIN for a whole domain; " +
			"without it the pool takes every other client",
	},
	...daemonTlsOptions,
} as const;
