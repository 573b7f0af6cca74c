-- SPDX-License-Identifier: MIT
-- Users to look at from the first minute. Runs once, in the transaction that makes the database.
-- Times are relative to the day of that start.

INSERT INTO users (id, name, email, created_at)
SELECT column1, column2, column3, strftime('%Y-%m-%dT%H:%M:%fZ', 'now', 'start of day', column4, column5)
FROM (VALUES
    (1, 'Ada Lovelace', 'ada@example.com', '-38 days', '+13:09:25.049'),
    (2, '李小龙', 'xiaolong@example.com', '-36 days', '+09:52:34.096'),
    (3, 'Zoë Müller', 'zoe@example.com', '-34 days', '+13:37:03.519'),
    (4, 'Иван Петров', 'ivan@example.com', '-32 days', '+11:02:05.444'),
    (5, 'José García', 'jose@example.com', '-30 days', '+14:04:15.092'),
    (6, '佐藤 花子', 'hanako@example.com', '-28 days', '+16:27:03.579'),
    (7, 'Amélie Dubois', 'amelie@example.com', '-26 days', '+09:14:40.596'),
    (8, 'محمد علي', 'mohamed@example.com', '-24 days', '+08:36:37.406'),
    (9, 'Olu Adébáyọ̀', 'olu@example.com', '-22 days', '+08:14:02.570'),
    (10, 'Nguyễn Văn An', 'an@example.com', '-20 days', '+21:08:18.429'),
    (11, 'Grace O''Connor', 'grace@example.com', '-18 days', '+10:34:07.584'),
    (12, 'Βασίλης Παπάς', 'vasilis@example.com', '-16 days', '+12:35:52.185')
);
