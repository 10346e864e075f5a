/* commands.h - every command of the program by name; each is defined in the file of its name.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Thread: any; the commands are constant.
 */
#pragma once

#include "cmd/cmd.h"

extern const struct command cmd_scan;
extern const struct command cmd_status;
extern const struct command cmd_tap;
extern const struct command cmd_describe;
extern const struct command cmd_config_describe;
extern const struct command cmd_run;
extern const struct command cmd_load;
extern const struct command cmd_rekey;
extern const struct command cmd_tick;
extern const struct command cmd_control_stage;
extern const struct command cmd_control_tag;
extern const struct command cmd_control_untag;
extern const struct command cmd_control_erase;
extern const struct command cmd_dlq_list;
extern const struct command cmd_dlq_show;
extern const struct command cmd_dlq_redrive;
extern const struct command cmd_state_show;
extern const struct command cmd_state_export;
extern const struct command cmd_state_import;
extern const struct command cmd_topics_plan;
extern const struct command cmd_topics_apply;
extern const struct command cmd_rules_check;
extern const struct command cmd_rules_test;
extern const struct command cmd_rules_explain;
extern const struct command cmd_rules_diff;
extern const struct command cmd_rules_publish;
extern const struct command cmd_rules_list;
extern const struct command cmd_rules_show;
extern const struct command cmd_config_check;
extern const struct command cmd_config_show;
extern const struct command cmd_db_status;
extern const struct command cmd_db_migrate;
extern const struct command cmd_sink;
extern const struct command cmd_archive_cat;
extern const struct command cmd_verify;
extern const struct command cmd_version;
