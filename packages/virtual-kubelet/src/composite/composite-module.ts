// The provider module `composite`: makes, describes and checks its members by what each of their own modules exports.
import { errorText, VirtualKubeletError } from "../errors.ts";
import { refusals } from "../pod/capabilities.ts";
import type { ProviderCheck } from "../provider/check.ts";
import type {
  CallContext,
  CheckProvider,
  CreateProvider,
  DescribeProvider,
  Provider,
  ProviderDescription,
  ProviderInit,
} from "../provider.ts";
import { combinedCapabilities } from "./combine.ts";
import { CompositeProvider } from "./composite-provider.ts";
import { type CompositeConfig, checkPrices, type MemberConfig, readCompositeConfig } from "./config.ts";
import { type MemberPrices, sizeOnMember } from "./member-costs.ts";

/** Finds a provider module's exports by the name of the provider. */
export interface MemberLoader {
  readonly create: (name: string) => Promise<CreateProvider>;
  readonly describe: (name: string) => Promise<DescribeProvider | undefined>;
  readonly check: (name: string) => Promise<CheckProvider | undefined>;
}

export interface CompositeModule {
  readonly createProvider: CreateProvider;
  readonly describeProvider: DescribeProvider;
  readonly checkProvider: CheckProvider;
}

export function compositeModule(loader: MemberLoader): CompositeModule {
  return {
    createProvider: async (init, context) => {
      const config = await configOf(init);
      const made = await ofMembers(
        config.members,
        async (member): Promise<readonly [string, Provider]> => {
          const create = await loader.create(member.provider);
          return [member.name, await create(initOf(init, member), context)];
        },
        async ([, provider]) => provider[Symbol.asyncDispose]?.(),
      );
      const providers = new Map(made);
      return new CompositeProvider({ node: init.node, config, providers, prices: pricesOf(init), log: init.log });
    },
    describeProvider: async (init) => {
      const config = await configOf(init);
      const { members } = config;
      const described = await ofMembers(members, async (member): Promise<ProviderDescription> => {
        const describe = await loader.describe(member.provider);
        return (await describe?.(initOf(init, member))) ?? { capabilities: {} };
      });
      return {
        capabilities: combinedCapabilities(described.map(({ capabilities }) => capabilities)),
        admit: (pod, resolved) => {
          const faults = described.map(({ admit, capabilities }) => {
            const [fault] = refusals(pod, capabilities);
            if (fault !== undefined)
              return new VirtualKubeletError("Unsupported", fault.message, { field: fault.field });
            try {
              admit?.(pod, resolved);
              return undefined;
            } catch (error) {
              return VirtualKubeletError.from(error);
            }
          });
          if (faults.includes(undefined)) return;
          const words = faults.map((fault, index) => `${members[index]?.name}: ${errorText(fault)}`).join("; ");
          const field = faults.find((fault) => fault?.field !== undefined)?.field;
          throw new VirtualKubeletError("Unsupported", `no member can run it: ${words}`, { field });
        },
        billedSize: (pod) => {
          const priced = described.flatMap(({ capabilities, billedSize }, index) => {
            const member = members[index];
            return member === undefined ? [] : [{ config: member, capabilities, billedSize }];
          });
          return sizeOnMember({ config, members: priced, prices: pricesOf(init) }, pod);
        },
      };
    },
    checkProvider: async (init, context) => {
      const { members } = await configOf(init);
      const checks = await Promise.all(members.map((member) => checkedMember(member, init, context)));
      return checks.flat();
    },
  };

  async function checkedMember(
    member: MemberConfig,
    init: ProviderInit,
    context: CallContext,
  ): Promise<readonly ProviderCheck[]> {
    try {
      const check = await loader.check(member.provider);
      const found = await check?.(initOf(init, member), context);
      if (found === undefined)
        return [
          { name: member.name, status: "skip", message: `the provider ${member.provider} has no checks of its own` },
        ];
      return found.map((each) => ({ ...each, name: `${member.name}: ${each.name}` }));
    } catch (error) {
      if (context.signal.aborted) throw error;
      // What is wrong with one says nothing of the others.
      return [{ name: member.name, status: "fail", message: errorText(error) }];
    }
  }
}

/** In their order. Throws the faults of all members at once; what others have come to is undone then. */
async function ofMembers<T>(
  members: readonly MemberConfig[],
  work: (member: MemberConfig) => Promise<T>,
  undo: (done: T) => Promise<void> = async () => {},
): Promise<readonly T[]> {
  const all = await Promise.allSettled(members.map(work));
  const done = all.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  const faults = all.flatMap((each, index) =>
    each.status === "rejected" ? [{ name: members[index]?.name ?? "", reason: each.reason }] : [],
  );
  const [first] = faults;
  if (first === undefined) return done;
  await Promise.all(done.map(undo));
  const message = faults.map(({ name, reason }) => `member ${name}: ${errorText(reason)}`).join("; ");
  throw new VirtualKubeletError(VirtualKubeletError.from(first.reason).kind, message, { cause: first.reason });
}

async function configOf(init: ProviderInit): Promise<CompositeConfig> {
  const config = await readCompositeConfig({ path: init.configPath, object: init.config });
  checkPrices(config, init.prices, init.hasCeiling);
  return config;
}

function pricesOf({ prices = {}, operatingSystem }: ProviderInit): MemberPrices {
  return { tables: prices, operatingSystem };
}

function initOf(init: ProviderInit, member: MemberConfig): ProviderInit {
  return {
    ...init,
    config: member.config,
    configPath: member.configPath,
    log: init.log.child({ member: member.name }),
  };
}
