"""Passwords of ten characters and more that stand in every list of leaked ones.

Shorter ones are refused for their length, so they need no place here.
"""

_WORDS = """
0123456789 0987654321 1029384756 1111222233 1122334455 1212121212 123123123123 1234512345 123456123456
1234567890 12345678900 12345678901 123456789010 1234567890a 1234567890q 1234567891 12345678910 123456789123
1234567899 123456789a 123456789abc 123456789q 1234qwerasdf 1357924680 1472583690 1q2w3e4r5t 1q2w3e4r5t6y
1qaz2wsx3e 1qaz2wsx3edc 1qazxsw23edc 3141592653 3141592654 5555566666 6543211234 9876543210 a123456789
a1b2c3d4e5 aa12345678 aa123456789 aabbccddee abc1234567 abc123456789 abcd123456 abcd12345678 abcde12345
abcdef1234 abcdef123456 abcdefg123 abcdefghij abcdefghijk administrator administrator1 asd123456789
asdasdasdasd asdf123456 asdfasdfasdf asdfghjkl1 asdfghjkl123 asdfghjkl; barcelona1 basketball basketball1
billabong1 blackberry changeme12 changeme123 changeme1234 charlie123 chocolate1 christian1 christopher
cinderella computer12 computer123 correcthorsebatterystaple dragon1234 elizabeth1 football12 football123
forever123 fuckyou123 greenday12 helloworld helloworld1 iloveyou12 iloveyou123 iloveyou1234 jennifer12
jonathan12 jordan1234 killer1234 letmein123 letmein1234 letmeinnow liverpool1 liverpool12 lovelylove
loveyou123 manchester maryjane12 michael123 michelle12 mickeymouse midnight12 monkey1234 motherlode
mynameisbob mypassword mypassword1 newpassword p@ssw0rd12 p@ssw0rd123 p@ssword123 pa$$word123 pa55word123
pass123456 pass1234567 passw0rd12 passw0rd123 password00 password01 password10 password11 password12
password12! password123 password123! password1234 password12345 password123456 password2024 password2025
password2026 passwordpassword pokemon123 princess12 princess123 q1w2e3r4t5 q1w2e3r4t5y6 qazwsx1234
qazwsxedc1 qazwsxedc123 qazwsxedcrfv qwaszx1234 qwe123456789 qweasdzxc1 qweasdzxc123 qweqweqwe1 qwer123456
qwerty1234 qwerty12345 qwerty123456 qwerty12345678 qwertyasdf qwertyqwerty qwertyuiop qwertyuiop1
qwertyuiop12 qwertyuiop123 qwertyuiop[] reelkeep12 reelkeep123 reelkeep1234 samsung123 sebastian1 shadow1234
skateboard spongebob1 starwars12 starwars123 sunshine12 sunshine123 superman12 superman123 temporary1
tinkerbell trustno1234 undertaker volleyball welcome123 welcome1234 welcome12345 whatever12 whatever123
williams12 zaq12wsxcde zxcvbnm123 zxcvbnm1234 zxcvbnmasdf
"""

COMMON_PASSWORDS = frozenset(_WORDS.split())
