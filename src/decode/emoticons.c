/* emoticons.c - the names of WeChat's and WeCom's emoticons, as they stand in brackets. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "decode/marks.h"

/* Sorted by bytes (a test checks it). Names that the clients of both products write, in
 * simplified and traditional Chinese and in English. */
static const char *const names[] = {
	"666", "Aaagh!", "Admire", "Angry", "Awesome", "Awkward", "BadLuck", "Bah!L", "Bah!R",
	"Bah！L", "Bah！R", "Basketball", "Beckon", "Beer", "Blowkiss", "Blush", "Bomb",
	"Boring", "Broken", "BrokenHeart", "Bye", "Cake", "Chill", "Chuckle", "Clap", "Cleaver",
	"Coffee", "Commando", "Concerned", "Cool", "CoolGuy", "Cry", "Dagger", "Determined",
	"DigNose", "Dizzy", "Doge", "Doubt", "Dramatic", "Drool", "Drowsy", "Duh", "Emm",
	"Facepalm", "Fight", "Firecracker", "Fireworks", "Fist", "Flushed", "Frown", "Fu",
	"Ghost", "Gift", "GoForIt", "Grimace", "Grin", "Hammer", "Happy", "Heart", "Hey",
	"Hooray", "Hug", "Hungry", "Hurt", "InLove", "Joyful", "Jump", "JumpRope",
	"KeepFighting", "Kiss", "Kotow", "Ladybug", "Laugh", "Let Down", "LetMeSee", "Lightning",
	"Lip", "Lips", "Loafer", "Lol", "Lookback", "Lookdown", "Love", "Meditate", "Melon",
	"Moon", "MyBad", "NO", "NoProb", "NosePick", "Nuh-uh", "OK", "OMG", "Onlooker", "Packet",
	"Panic", "Party", "Peace", "Pig", "PingPong", "Pinky", "Pooh-pooh", "Poop", "Pout",
	"Puke", "Puling", "Relief", "Respect", "Rice", "Rich", "RockOn", "Rose", "Ruthless",
	"Salute", "Scold", "Scowl", "Scream", "Shake", "Shame", "Shhh", "Shocked", "Shrunken",
	"Shutup", "Shy", "Sick", "Sigh", "Silent", "Skull", "Sleep", "Slight", "Sly", "Smart",
	"Smile", "Smirk", "Smooch", "Smug", "Sob", "Soccer", "Speechless", "Strive", "Strong",
	"Sun", "Surprise", "Surprised", "Surrender", "Sweat", "Sweats", "TaiChi L", "TaiChi R",
	"TaijiL", "TaijiR", "TearingUp", "Tension", "Terror", "ThumbsDown", "ThumbsUp", "Tired",
	"Toasted", "Tongue", "Tormented", "Tremble", "Trick", "Twirl", "Uh-oh", "Victory",
	"Waddle", "Watermelon", "Wave", "Whimper", "Wilt", "Wink", "Worship", "Wow", "Wrath",
	"Wronged", "Yawn", "Yeah!", "乒乓", "乱舞", "亂舞", "亲亲", "便便", "偷笑", "傲慢",
	"儺笑", "再見", "再见", "冷汗", "凋谢", "刀", "加一", "加油", "加油加油", "勝利", "勾引",
	"发", "发呆", "发怒", "发抖", "可怜", "可憐", "可爱", "右哼哼", "右太极", "右太極",
	"叹气", "吃惊", "吃瓜", "合十", "吐", "吓", "吼嘿", "呲牙", "呵呵", "咒罵", "咒骂",
	"咖啡", "哇", "哈欠", "哦", "啊", "啤酒", "嗯", "嘆息", "嘘", "嘴唇", "嘻嘻", "嘿哈",
	"噓", "噴火", "嚇", "回头", "回頭", "囧", "困", "坏笑", "壞笑", "大兵", "大哭", "大笑",
	"天啊", "太阳", "太陽", "失望", "奋斗", "奮鬥", "奸笑", "好的", "委屈", "害羞", "小狗",
	"尴尬", "尷尬", "左哼哼", "左太极", "左太極", "差劲", "差勁", "庆祝", "弱", "強", "強壯",
	"强", "强壮", "得意", "微笑", "心碎", "快哭了", "怄火", "恐惧", "恐懼", "悠閑", "悠闲",
	"惊恐", "惊讶", "愉快", "愛你", "愛心", "愛情", "感谢", "慶祝", "憨笑", "打脸", "打臉",
	"抓狂", "投降", "折磨", "抠鼻", "抱抱", "抱拳", "拥抱", "拳头", "拳頭", "捂脸", "掩面",
	"握手", "摳鼻", "撇嘴", "擁抱", "擦汗", "收到", "敲打", "无语", "旺柴", "晕", "晚安",
	"暈", "月亮", "机智", "枯萎", "棒棒哒", "機智", "比心", "汗", "流汗", "流泪", "流淚",
	"激动", "激動", "灯泡", "炸弹", "炸彈", "点赞", "烟花", "無語", "煙花", "爆竹", "爱你",
	"爱心", "爱情", "猪头", "献吻", "獻吻", "玫瑰", "瓢虫", "生病", "甲蟲", "疑問", "疑问",
	"疯了", "瘋了", "發", "發呆", "發怒", "發抖", "白眼", "皱眉", "皺眉", "睡", "破涕为笑",
	"破涕為笑", "磕头", "磕頭", "示爱", "礼物", "社会社会", "社會社會", "福", "禮物", "笑脸",
	"笑臉", "笔记", "篮球", "籃球", "糗大了", "紅包", "累", "红包", "羞辱", "翻白眼", "耶",
	"胜利", "脸红", "臉紅", "色", "苦涩", "苦澀", "苹果", "茶", "菜刀", "蛋糕", "街舞", "衰",
	"裂开", "裂開", "西瓜", "親親", "調皮", "讓我看看", "让我看看", "调皮", "豬頭", "赞",
	"足球", "跳繩", "跳绳", "跳跳", "轉圈", "转圈", "鄙視", "鄙视", "酷", "钱", "閃電",
	"閉嘴", "闪电", "闭嘴", "阴险", "陰險", "难过", "難過", "鞭炮", "飛吻", "飞吻", "饑餓",
	"饥饿", "饭", "驚恐", "驚訝", "骷髅", "骷髏頭", "鬼魂", "鲜花", "鼓掌",
};

bool emoticon_known(struct str name)
{
	size_t low = 0, high = ARRAY_LEN(names);

	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = str_cmp(name, str_of(names[middle]));
		if (order == 0)
			return true;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return false;
}
