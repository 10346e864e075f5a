/* commands.c - the list of commands, in the order of --help. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/commands.h"

const struct command *const commands[] = {
	&cmd_scan,
	&cmd_run,
	&cmd_load,
	&cmd_rekey,
	&cmd_tick,
	&cmd_control_stage,
	&cmd_control_tag,
	&cmd_control_untag,
	&cmd_control_erase,
	&cmd_dlq_list,
	&cmd_dlq_show,
	&cmd_dlq_redrive,
	&cmd_topics_plan,
	&cmd_topics_apply,
	&cmd_rules_check,
	&cmd_rules_test,
	&cmd_rules_explain,
	&cmd_rules_diff,
	&cmd_rules_publish,
	&cmd_rules_list,
	&cmd_rules_show,
	&cmd_config_check,
	&cmd_config_show,
	&cmd_sink,
	&cmd_db_status,
	&cmd_db_migrate,
	&cmd_archive_cat,
	NULL,
};
