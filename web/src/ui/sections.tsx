// SPDX-License-Identifier: GPL-3.0-or-later
import type { Group, Section } from '../core/layout';
import { Control } from './control';
import { AbPage } from './ab';
import { EnvelopeEditor } from './envelope';
import { LfoView } from './lfo';
import { TransferPage } from './transfer';

/** More controls than this are stacked two high. */
const DENSE = 12;

/** A section of controls, drawn from the schema alone; two have pages of their own. */
export function SectionPage({ section }: { section: Section }) {
    if (section.title === 'A/B') return <AbPage section={section} />;
    if (section.title === 'Transfer') return <TransferPage section={section} />;
    const count = section.groups.reduce((sum, { params }) => sum + params.length, 0);
    return (
        <div class={count > DENSE ? 'page dense' : 'page'}>
            {section.groups.map((group) => (
                <GroupView key={group.title} group={group} alone={section.groups.length === 1} />
            ))}
        </div>
    );
}

function GroupView({ group, alone }: { group: Group; alone: boolean }) {
    return (
        <section class={group.envelope ? 'group wide' : 'group'} aria-label={group.title}>
            {!alone && <h3>{group.title}</h3>}
            {group.envelope && (
                <EnvelopeEditor
                    envelope={group.envelope}
                    tint="teal"
                    name={group.title}
                    pitch
                    numbers
                />
            )}
            {group.lfo && <LfoView wave={group.lfo} />}
            {group.params.length > 0 && (
                <div class="knobs">
                    {group.params
                        .filter((param) => param !== group.lfo)
                        .map((param) => (
                            <Control key={param.key} param={param} />
                        ))}
                </div>
            )}
        </section>
    );
}
